import numpy as np
import pytest

from rag.train.export import quantise, to_integers


@pytest.mark.parametrize(("axis", "limit"), [(0, 63), (0, 127), (1, 127)])
def test_integers_and_scales_give_the_weights_back(axis, limit):
    weights = np.random.default_rng(0).normal(size=(40, 30)).astype(np.float32)
    weights[3] = 0
    integers, scales = to_integers(weights, axis, limit)
    assert integers.dtype == np.int8 and np.abs(integers).max() == limit
    assert np.abs(integers * scales - weights).max() <= scales.max() / 2 + 1e-6


@pytest.mark.train
def test_a_quantised_layer_is_near_and_treats_rows_alone(tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the train extra")
    import onnxruntime

    generator = np.random.default_rng(0)
    weights = generator.normal(size=(32, 16)).astype(np.float32)
    inputs = generator.normal(size=(5, 32)).astype(np.float32)
    inputs[1] *= 1000  # an outlier must not cost the other rows anything
    inputs[2] = 0
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "layer",
        [helper.make_tensor_value_info("x", floats, ["tokens", 32])],
        [helper.make_tensor_value_info("y", floats, ["tokens", 16])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(quantise(model), tmp_path / "layer.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "layer.onnx")
    (outputs,) = session.run(None, {"x": inputs})
    expected = inputs @ weights
    for row in (0, 1, 3, 4):
        assert np.linalg.norm(outputs[row] - expected[row]) < 0.02 * np.linalg.norm(expected[row])
    assert not outputs[2].any()
