"""The same twelve trials from Python, without the shell.

    python3 examples/search/search.py ~/venv
"""

import itertools
import os
import sys

import tensorhub

python = os.path.abspath(sys.argv[1])
os.chdir(os.path.dirname(os.path.abspath(__file__)))
db = tensorhub.TensorHub(project_name=os.environ.get("TENSORHUB_PROJECT", "default"))
for lr, units in itertools.product([0.3, 0.1, 0.03, 0.01], [16, 64, 256]):
    db.create_task(
        "search",
        "train.py",
        dict(lr=lr, units=units),
        saved_result_keys=["accuracy"],
        parameter_args="hyphens",
        files=["../digits/digits.csv.gz"],
        python=python,
    )
db.wait_tasks(task_name="search")
print("rank  lr  units  accuracy")
ranked = sorted(db.find_tasks(task_name="search"), key=lambda task: -task["result"]["accuracy"])
for rank, task in enumerate(ranked, 1):
    parameters = task["hyper_parameters"]
    print(rank, parameters["lr"], parameters["units"], task["result"]["accuracy"], sep="  ")
