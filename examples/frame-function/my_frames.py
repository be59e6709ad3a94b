"""Own code on frames: what HWANG_APPLY in the Dockerfile lists."""

import numpy as np
import onnxruntime


def brightness(frames, rows, seconds):
    """Return one number for each of the frames, uint8 [N, H, W, 3]."""
    return frames.mean(axis=(1, 2, 3), dtype=np.float32)


def dark(frames, rows, seconds):
    """Return JSON values: a list with one for each frame."""
    means = frames.mean(axis=(1, 2, 3))
    return [{"dark": bool(mean < 60), "at": round(time, 3)} for mean, time in zip(means, seconds.tolist(), strict=True)]


class Embedder:
    """A model. The object is made once in each worker, when the function starts."""

    def __init__(self):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # the decoder works at the same time
        self.session = onnxruntime.InferenceSession("/var/task/model.onnx", options, ["CPUExecutionProvider"])

    def __call__(self, frames, rows, seconds):
        """Return a vector for each frame, float32 [N, 32]."""
        return self.session.run(None, {"frames": frames})[0]
