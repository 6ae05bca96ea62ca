"""
Runs this script on local machine, it will push dataset and tasks into database.
"""

import time

import tensorhub as tl
from tutorial_digits import accuracy, load_digits_dataset

# connect to database
db = tl.db.TensorHub(ip='localhost', port=27017, dbname='temp', project_name='tutorial')

# delete existing tasks, models and datasets in this project
db.delete_tasks()
db.delete_model()
db.delete_datasets()

# save dataset into database, then allow other servers to use it
X_train, y_train, X_val, y_val, X_test, y_test = load_digits_dataset()
db.save_dataset((X_train, y_train, X_val, y_val, X_test, y_test), 'digits', description='handwriting digit')

# push tasks into database, then allow other servers pull tasks to run
db.create_task(
    task_name='digits', script='tutorial_task.py', hyper_parameters=dict(n_units=800),
    saved_result_keys=['test_accuracy'], description='800'
)

db.create_task(
    task_name='digits', script='tutorial_task.py', hyper_parameters=dict(n_units=600),
    saved_result_keys=['test_accuracy'], description='600'
)

db.create_task(
    task_name='digits', script='tutorial_task.py', hyper_parameters=dict(n_units=400),
    saved_result_keys=['test_accuracy'], description='400'
)

# wait for tasks to finish
print("waiting runners to finish the tasks")
while db.check_unfinished_task(task_name='digits'):
    time.sleep(1)
print("all tasks finished")

for task in db.find_tasks(task_name='digits', sort=[("result.test_accuracy", -1)]):
    print("task {}: {} {}".format(task['description'], task['status'], task['result']))

# get the best model
net = db.find_top_model(model_name='mlp', sort=[("test_accuracy", -1)])
print("the best accuracy {} is from model {}".format(net._test_accuracy, net._name))

# load it back and evaluate it
print("its accuracy evaluated here: {}".format(accuracy(net.architecture, net.params, X_test, y_test)))
