"""One task of each further kind, on what tutorial_distributor.py has left: validation, testing and inference."""

import tensorhub

db = tensorhub.TensorHub(project_name='tutorial')
best = db.find_top_model(model_name='mlp', sort=[("test_accuracy", -1)])
if not best:
    raise SystemExit("there is no model yet: run tutorial_distributor.py first")

tasks = {
    kind: db.create_task(
        'digits-' + kind, 'kinds_task.py', dict(kind=kind, version=best.version),
        saved_result_keys=['digits'] if kind == 'inference' else ['accuracy']
    )
    for kind in ('validation', 'testing', 'inference')
}
db.wait_tasks(ids=tasks.values())

for kind, identifier in tasks.items():
    task = db.find_top_task(_id=identifier)
    print("{}: {}".format(kind, task['result'] if task['status'] == 'finished' else task['status']))

predictions = db.find_top_dataset('predictions')
print("the first digits, as inference saved them: {}".format(predictions[:10].tolist()))
print("accuracies in the logs: {} and {}".format(
    db.find_validation_log(kind='validation', sort=[("time", -1)])[0]['accuracy'],
    db.find_testing_log(kind='testing', sort=[("time", -1)])[0]['accuracy'],
))
