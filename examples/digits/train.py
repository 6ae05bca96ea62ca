"""Trains a network of two layers on handwritten digits.

In: the hyper-parameter n_units, which the runner sets as a global variable.
Out: test_accuracy, which the runner takes from here because the task names it as a result.
"""

import os

# One thread per task: a runner with several slots runs several of them side by side.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import gzip
import numpy

n_epochs = 60
batch_size = 32
learning_rate = 0.1
momentum = 0.9

# 1,797 images of 8x8 pixels from 0 to 16, and the digit of each in the last column; a fifth is kept for the test.
with gzip.open("digits.csv.gz", "rt") as file:
    table = numpy.loadtxt(file, delimiter=",", dtype=numpy.float32)
random = numpy.random.default_rng(seed=1)
random.shuffle(table)
images, digits = table[:, :64] / 16, table[:, 64].astype(int)
n_test = len(table) // 5
test_images, test_digits = images[:n_test], digits[:n_test]
train_images, train_digits = images[n_test:], digits[n_test:]


def layer(n_in, n_out):
    weights = random.normal(0, numpy.sqrt(2 / n_in), (n_in, n_out)).astype(numpy.float32)
    return [weights, numpy.zeros(n_out, numpy.float32)]


parameters = layer(64, n_units) + layer(n_units, 10)
velocities = [numpy.zeros_like(parameter) for parameter in parameters]


def forward(x):
    w1, b1, w2, b2 = parameters
    hidden = numpy.maximum(x @ w1 + b1, 0)
    scores = hidden @ w2 + b2
    scores = numpy.exp(scores - scores.max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


def accuracy(x, y):
    return (forward(x)[1].argmax(axis=1) == y).mean()


for epoch in range(1, n_epochs + 1):
    order = random.permutation(len(train_images))
    loss = 0.0
    for start in range(0, len(order), batch_size):
        batch = order[start:start + batch_size]
        x, y = train_images[batch], train_digits[batch]
        rows = numpy.arange(len(batch))
        hidden, error = forward(x)
        loss -= numpy.log(error[rows, y] + 1e-9).sum()
        error[rows, y] -= 1
        error /= len(batch)
        back = (error @ parameters[2].T) * (hidden > 0)
        gradients = [x.T @ back, back.sum(axis=0), hidden.T @ error, error.sum(axis=0)]
        for parameter, velocity, gradient in zip(parameters, velocities, gradients):
            velocity *= momentum
            velocity -= learning_rate * gradient
            parameter += velocity
    print(f"epoch {epoch:2}/{n_epochs}  loss {loss / len(order):.4f}  test {accuracy(test_images, test_digits):.4f}")

test_accuracy = accuracy(test_images, test_digits)
