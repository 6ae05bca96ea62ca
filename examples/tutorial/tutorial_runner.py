"""
Run this script on servers, it will monitor the database and run tasks when task distributor push a task to the database.

`tensorhubd` does the same as a service, several tasks at once; this is TensorLayer's way, for as long as the script runs.
"""

import time

import tensorhub as tl

# connect to database
db = tl.db.TensorHub(ip='localhost', port=27017, dbname='temp', project_name='tutorial')

# monitors the database and pull tasks to run
print("waiting task from distributor")
while True:
    if not db.run_top_task(task_name='digits', sort=[("time", -1)]):
        time.sleep(1)
