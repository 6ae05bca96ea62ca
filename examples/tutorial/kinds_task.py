"""A task that uses a trained model. Its hyper-parameters: what for (kind), and the version of the model."""

import numpy
import tensorhub

db = tensorhub.TensorHub()
images = dict(zip(("training", "validation", "testing"), range(0, 6, 2)))
dataset = db.find_top_dataset('digits')
net = db.find_top_model(model_name='mlp', version=version)


def forward(x):
    for index, layer in enumerate(net.architecture["layers"]):
        x = x @ net.params[2 * index] + net.params[2 * index + 1]
        if layer["act"] == "relu":
            x = numpy.maximum(x, 0)
    return x


if kind == "inference":
    # No labels are looked at: these could be images of a camera.
    predictions = forward(dataset[4]).argmax(axis=1)
    db.save_dataset(predictions, 'predictions', model_version=version)
    digits = predictions[:10]
else:
    x, y = dataset[images[kind]], dataset[images[kind] + 1]
    accuracy = float((forward(x).argmax(axis=1) == y).mean())
    save_log = db.save_validation_log if kind == "validation" else db.save_testing_log
    save_log(kind=kind, model_version=version, accuracy=accuracy)
