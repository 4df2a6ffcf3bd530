"""Trains the model that the image ships, from the handwritten digits that come with scikit-learn; writes ONNX.

    python train.py digits.onnx

Half of the digits is for the training, the other half is what `server.py` classifies.
"""

import sys
from pathlib import Path

from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

SEED = 7


def train() -> bytes:
    """A small network, as ONNX: takes rows of 64 grey values, gives the label and the probability of each digit."""
    images, labels = load_digits(return_X_y=True)
    half = len(images) // 2
    images = images.astype("float32")
    model = MLPClassifier(hidden_layer_sizes=(64,), random_state=SEED, max_iter=400)
    model.fit(images[:half], labels[:half])
    exported = to_onnx(model, images[:1], options={"zipmap": False})
    return bytes(exported.SerializeToString())


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_bytes(train())
    print(f"{target}: {target.stat().st_size} bytes")
