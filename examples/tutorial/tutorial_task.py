"""
Sample task script: trains a network of two layers. n_units is a hyper-parameter, which the runner sets.
"""

import os

# One thread for each task: a runner with several slots runs several of them side by side.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import numpy
import tensorhub as tl

n_epoch = 40
batch_size = 32
learning_rate = 0.1
momentum = 0.9

# connect to database
db = tl.db.TensorHub(ip='localhost', port=27017, dbname='temp', project_name='tutorial')

# load dataset from database
X_train, y_train, X_val, y_val, X_test, y_test = db.find_top_dataset('digits')


# define the network
class Network:
    """What TensorLayer calls a model: a configuration and all weights."""

    def __init__(self, n_in, n_units, n_out, random):
        self.config = {
            "name": "mlp",
            "n_in": n_in,
            "layers": [
                {"class": "Dense", "n_units": n_units, "act": "relu"},
                {"class": "Dense", "n_units": n_out, "act": None},
            ],
        }
        self.all_weights = []
        for rows, columns in ((n_in, n_units), (n_units, n_out)):
            weights = random.normal(0, numpy.sqrt(2 / rows), (rows, columns)).astype(numpy.float32)
            self.all_weights += [weights, numpy.zeros(columns, numpy.float32)]

    def forward(self, x):
        w1, b1, w2, b2 = self.all_weights
        hidden = numpy.maximum(x @ w1 + b1, 0)
        return hidden, hidden @ w2 + b2

    def accuracy(self, x, y):
        return float((self.forward(x)[1].argmax(axis=1) == y).mean())


random = numpy.random.default_rng(seed=2)
network = Network(X_train.shape[1], n_units, 10, random)
velocities = [numpy.zeros_like(weights) for weights in network.all_weights]

# train the network
for epoch in range(n_epoch):
    order = random.permutation(len(X_train))
    loss = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        x, y = X_train[batch], y_train[batch]
        rows = numpy.arange(len(batch))
        hidden, scores = network.forward(x)
        error = numpy.exp(scores - scores.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        loss -= numpy.log(error[rows, y] + 1e-9).sum()
        error[rows, y] -= 1
        error /= len(batch)
        back = (error @ network.all_weights[2].T) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
        for weights, velocity, gradient in zip(network.all_weights, velocities, gradients):
            velocity *= momentum
            velocity -= learning_rate * gradient
            weights += velocity
    loss /= len(order)
    val_accuracy = network.accuracy(X_val, y_val)
    db.save_training_log(n_units=n_units, epoch=epoch, loss=loss)
    db.save_validation_log(n_units=n_units, epoch=epoch, accuracy=val_accuracy)
    tl.progress((epoch + 1) / n_epoch, f"epoch {epoch + 1} of {n_epoch}")
    print(f"epoch {epoch + 1:2} of {n_epoch}: loss {loss:.4f}, accuracy {val_accuracy:.4f}")

# evaluation and save result that match the result_key
test_accuracy = network.accuracy(X_test, y_test)
db.save_testing_log(n_units=n_units, accuracy=test_accuracy)

# save model into database
db.save_model(network, model_name='mlp', name=str(n_units), test_accuracy=test_accuracy)
