"""The data of the tutorial, and the network as a function: what TensorLayer would bring along."""

import os

# One thread: so few images are quicker that way, and the sums come out the same everywhere.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import gzip
import pathlib

import numpy


def load_digits_dataset():
    """Images of 8x8 pixels from 0 to 1 and the digit of each: three fifths to train, a fifth each to validate and test."""
    path = pathlib.Path(__file__).resolve().parent.parent / "digits" / "digits.csv.gz"
    with gzip.open(path, "rt") as file:
        table = numpy.loadtxt(file, delimiter=",", dtype=numpy.float32)
    numpy.random.default_rng(seed=1).shuffle(table)
    images, digits = table[:, :64] / 16, table[:, 64].astype(numpy.int64)
    n = len(table) // 5
    return images[2 * n:], digits[2 * n:], images[:n], digits[:n], images[n:2 * n], digits[n:2 * n]


def forward(architecture, weights, x):
    """The scores that the network gives to each digit."""
    for index, layer in enumerate(architecture["layers"]):
        x = x @ weights[2 * index] + weights[2 * index + 1]
        if layer["act"] == "relu":
            x = numpy.maximum(x, 0)
    return x


def accuracy(architecture, weights, x, y):
    """The part of the images whose digit is recognized."""
    return float((forward(architecture, weights, x).argmax(axis=1) == y).mean())
