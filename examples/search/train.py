"""Trains a network of two layers on handwritten digits. It knows nothing of TensorHub: arguments in, `accuracy` out."""

import argparse
import gzip

import numpy

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=0.1)
parser.add_argument("--units", type=int, default=64)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--seed", type=int, default=1)
parser.add_argument("--data", default="digits.csv.gz")
args = parser.parse_args()

with gzip.open(args.data, "rt") as file:
    table = numpy.loadtxt(file, delimiter=",", dtype=numpy.float32)
random = numpy.random.default_rng(args.seed)
random.shuffle(table)
images, digits = table[:, :64] / 16, table[:, 64].astype(int)
n_test = len(table) // 5
test_images, test_digits, images, digits = images[:n_test], digits[:n_test], images[n_test:], digits[n_test:]

w1 = random.normal(0, numpy.sqrt(2 / 64), (64, args.units)).astype(numpy.float32)
w2 = random.normal(0, numpy.sqrt(2 / args.units), (args.units, 10)).astype(numpy.float32)


def forward(x):
    hidden = numpy.maximum(x @ w1, 0)
    scores = numpy.exp(hidden @ w2 - (hidden @ w2).max(axis=1, keepdims=True))
    return hidden, scores / scores.sum(axis=1, keepdims=True)


for epoch in range(1, args.epochs + 1):
    order = random.permutation(len(images))
    for start in range(0, len(order), 32):
        batch = order[start:start + 32]
        hidden, error = forward(images[batch])
        error[numpy.arange(len(batch)), digits[batch]] -= 1
        back = (error @ w2.T) * (hidden > 0)
        w2 -= args.lr / len(batch) * hidden.T @ error
        w1 -= args.lr / len(batch) * images[batch].T @ back
    accuracy = (forward(test_images)[1].argmax(axis=1) == test_digits).mean()
    print(f"epoch {epoch} of {args.epochs}: accuracy {accuracy:.4f}")
