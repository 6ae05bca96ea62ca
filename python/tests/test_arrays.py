"""Data sets and parameters as files and back, without a hub in between."""

import io
import os
import pathlib
import pickle
import shutil
import sys
import tempfile
import unittest.mock

from support import FolderTestCase, has_safetensors, needs_numpy, needs_safetensors, numpy, safetensors_file
from tensorhub import arrays, content, errors, model


class FileTestCase(FolderTestCase):
    def found(self, saved, shard=None):
        """What a hub would give back."""
        for part in saved.parts:
            if hasattr(part.source, "close"):
                self.addCleanup(part.source.close)
        folder = tempfile.mkdtemp(dir=self.folder)
        files = []
        for part in saved.parts if shard is None else saved.parts[shard[0] :: shard[1]]:
            path = os.path.join(folder, part.path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            data = part.source
            if isinstance(data, str):
                data = pathlib.Path(data).read_bytes()
            elif not isinstance(data, bytes):
                data.seek(0)
                with data as file:
                    data = file.read()
            pathlib.Path(path).write_bytes(data)
            files.append((part.path, path))
        return content.Found({"hub": {"kind": saved.kind, "form": saved.form}}, files, folder)


class PlainTests(FileTestCase):
    def test_bytes_come_back_as_bytes(self):
        for value in (b"", b"abc", bytearray(b"x")):
            self.assertEqual(arrays.value_of(self.found(arrays.content_of(value))), bytes(value))

    def test_files_and_folders_come_back_as_paths(self):
        source = pathlib.Path(self.file("source/c")).parent
        self.file("source/a/b.txt", "hello")
        saved = arrays.content_of(source)
        self.assertEqual([part.path for part in saved.parts], ["a/b.txt", "c"])
        path = arrays.value_of(self.found(saved))
        self.assertEqual(pathlib.Path(path, "a", "b.txt").read_text(), "hello")
        path = arrays.value_of(self.found(arrays.content_of(str(source / "a" / "b.txt"))))
        self.assertEqual(pathlib.Path(path).read_text(), "hello")

    def test_paths_that_lead_nowhere_are_named(self):
        with self.assertRaisesRegex(FileNotFoundError, "no file or folder of that name.*nowhere"):
            arrays.content_of("nowhere")
        with self.assertRaisesRegex(ValueError, "has no files"):
            arrays.content_of(self.folder)
        os.mkfifo(os.path.join(self.folder, "pipe"))
        with self.assertRaisesRegex(ValueError, "pipe is neither a file nor a folder"):
            arrays.content_of(self.folder)

    def changing(self, times, change):
        """A client whose first uploads see something change."""
        client = unittest.mock.Mock()
        changes = iter(range(times))

        def upload(route, source, length):
            data = source.read() if hasattr(source, "read") else source
            if next(changes, None) is not None:
                change()
            return {"upload": "%d" % len(data)}

        client.upload = upload
        return client

    def test_a_file_that_changes_while_it_is_read_is_read_again_or_refused(self):
        for name in ("a", "b"):
            path = pathlib.Path(self.file("folder/" + name, "1")).parent
        changes = {
            "grows": lambda: (path / "a").write_bytes((path / "a").read_bytes() + b"1"),
            "is replaced": lambda: os.replace(shutil.copy(str(path / "a"), str(path) + ".new"), str(path / "a")),
            "comes": lambda: (path / ("c%d" % len(os.listdir(str(path))))).write_bytes(b""),
        }
        for word, change in changes.items():
            for source in (path, path / "a") if word != "comes" else (path,):
                files = content._upload_unchanged(self.changing(1, change), arrays.content_of(source))
                if source != path:
                    self.assertEqual([file["upload"] for file in files], ["%d" % os.path.getsize(str(source))], word)
                else:
                    self.assertEqual([file["path"] for file in files], sorted(os.listdir(str(path))), word)
                with self.assertRaisesRegex(errors.InvalidInput, "changed while it was read, 3 times"):
                    content._upload_unchanged(self.changing(100, change), arrays.content_of(source))

    def test_names_that_are_no_utf_8_are_refused_in_the_same_words(self):
        odd = self.file(os.fsdecode(b"a\xff"), "x")
        for source in (odd, self.folder):
            with self.assertRaisesRegex(errors.InvalidInput, "is not UTF-8: it holds half of a surrogate pair; rename it"):
                arrays.content_of(source)
        with self.assertRaisesRegex(errors.InvalidInput, "dataset_name: .* is not UTF-8: it holds half"):
            content._check_name("a\ud800", "datasets")

    def test_anything_else_needs_allow_pickle(self):
        for value in ({1, 2}, object(), {"a": {3}}, 5, [1, 2]):
            with self.assertRaisesRegex(TypeError, "allow_pickle=True"):
                arrays.content_of(value)

    def test_a_pickle_is_loaded_only_where_that_is_allowed(self):
        saved = arrays.content_of({1, 2}, allow_pickle=True)
        found = self.found(saved)
        with self.assertRaisesRegex(ValueError, "can run any code.*allow_pickle=True"):
            arrays.value_of(found)
        self.assertEqual(arrays.value_of(found, allow_pickle=True), {1, 2})

    def test_what_tensorlayer_saved_is_a_pickle(self):
        path = self.file("data", pickle.dumps([1, 2], protocol=pickle.HIGHEST_PROTOCOL))
        found = content.Found({"dataset_name": "x"}, [("data", path)], self.folder)
        with self.assertRaisesRegex(ValueError, "pickle by TensorLayer"):
            arrays.value_of(found)
        self.assertEqual(arrays.value_of(found, allow_pickle=True), [1, 2])


@needs_numpy
class ArrayTests(FileTestCase):
    def back(self, value, **options):
        return arrays.value_of(self.found(arrays.content_of(value, **options)))

    def test_structures_come_back_as_they_went(self):
        x, y = numpy.arange(12, dtype=numpy.float32).reshape(6, 2), numpy.arange(6)
        for value in (
            x, (x, y), [x, y], {"x": x, "y": y}, (x,), {"file": x, "a/b": y}, ((x, y), [y]),
            {"x": x, "classes": ["a", "b"], "n": 3, "none": None}, x.T, x[::2], numpy.array(5), numpy.array([], "f4"),
            numpy.array(["a", "bc"]), numpy.array([True]), numpy.array(["2020-01-01"], "M8[D]"),
        ):  # fmt: skip
            self.assert_same(value, self.back(value))

    def test_shards_put_together_are_the_whole(self):
        x, y = numpy.arange(22.0).reshape(11, 2), numpy.arange(11)
        for value in (x, (x, y), {"x": x, "y": y}):
            self.assert_same(value, self.back(value, shards=4))

    def test_a_shard_is_a_part(self):
        x = numpy.arange(10)
        saved = arrays.content_of((x, x * 2), shards=5)
        part = arrays.value_of(self.found(saved, shard=(1, 2)))
        self.assertEqual(part[0].tolist(), [2, 3, 6, 7])
        self.assertEqual(part[1].tolist(), [4, 6, 12, 14])

    def test_what_cannot_be_cut_is_an_error(self):
        three, four = numpy.zeros(3), numpy.zeros(4)
        for words, value, shards in (
            ("different lengths", (three, four), 2),
            ("some empty", three, 4),
            ("shards: 0", three, 0),
            ("only arrays are cut", b"abc", 2),
        ):
            with self.assertRaisesRegex(errors.InvalidInput, words):
                arrays.content_of(value, shards=shards)

    def undescribed(self, **files):
        """Files of arrays with nothing said about how they make up a value, as the command stores them."""
        parts = []
        for name, value in files.items():
            buffer = io.BytesIO()
            (numpy.savez(buffer, **value) if isinstance(value, dict) else numpy.save(buffer, value))
            parts.append(content.Part(name.replace("__", "."), buffer.getvalue()))
        return self.found(content.Content("arrays", parts))

    def test_files_that_nothing_describes_are_never_joined(self):
        found = self.undescribed(tr__npy=numpy.zeros(3), te__npz={"x": numpy.ones(2), "y": numpy.ones(1)})
        value = arrays.value_of(found)
        self.assertEqual(list(value), ["tr", "te"])
        self.assertEqual(value["tr"].tolist(), [0, 0, 0])
        self.assertEqual({name: array.tolist() for name, array in value["te"].items()}, {"x": [1, 1], "y": [1]})
        pieces = {"00000-of-00002__npy": numpy.zeros(1), "00001-of-00002__npy": numpy.ones(1)}
        self.assertEqual(list(arrays.value_of(self.undescribed(**pieces))), ["00000-of-00002", "00001-of-00002"])
        same = self.undescribed(a__npy=numpy.zeros(1), a__npz={"x": numpy.ones(1)})
        self.assertEqual(list(arrays.value_of(same)), ["a.npy", "a.npz"])

    def test_a_file_that_nothing_describes_is_what_it_is(self):
        self.assertEqual(arrays.value_of(self.undescribed(tr__npy=numpy.arange(2))).tolist(), [0, 1])
        value = arrays.value_of(self.undescribed(tr__npz={"data": numpy.arange(2)}))
        self.assertEqual(value["data"].tolist(), [0, 1])
        found = self.undescribed(tr__npy=numpy.arange(2))
        found.document["hub"]["files"] = [{"path": "te.npy"}, {"path": "tr.npy"}]
        self.assertEqual(list(arrays.value_of(found)), ["tr"])

    def test_parameters_in_several_files_are_all_there(self):
        found = self.undescribed(a__npz={"w": numpy.ones(1)}, b__npz={"v": numpy.zeros(1)})
        self.assertEqual(list(model.Model(found).params), ["a", "b"])

    def test_a_key_that_is_no_text_is_named(self):
        with self.assertRaisesRegex(TypeError, "dataset has the key 5 of type int; keys are texts"):
            arrays.content_of({5: numpy.zeros(1)})
        with self.assertRaisesRegex(TypeError, r"dataset\['a'\] has the key None of type NoneType"):
            arrays.content_of({"a": {None: numpy.zeros(1)}})

    def test_a_mask_is_named_and_what_to_give_instead(self):
        masked = numpy.ma.masked_array([1.0, -999.0], [0, 1])
        saves = [arrays.content_of, model.content_of, lambda value: model.content_of(value, "safetensors")]
        for save in saves if has_safetensors else saves[:-1]:
            for value in (masked, {"w": masked}, [masked]):
                with self.assertRaisesRegex(TypeError, "is a masked array.*x.filled.*'mask': x.mask"):
                    save(value)
        with self.assertRaisesRegex(TypeError, "masked array"):
            arrays.content_of(masked, shards=2)

    def test_names_in_files_of_others_are_told_apart(self):
        found = self.undescribed(a__npz={"x": numpy.zeros(1), "x.npy": numpy.ones(1)})
        value = arrays.value_of(found)
        self.assertEqual({name: array.tolist() for name, array in value.items()}, {"x": [0], "x.npy": [1]})

    def test_arrays_of_objects_are_refused(self):
        for value in (numpy.array([{}]), {"a": numpy.array([object()])}):
            with self.assertRaisesRegex(TypeError, "array of Python objects"):
                arrays.content_of(value)

    def test_a_large_array_is_mapped_and_may_be_changed(self):
        value = numpy.zeros(1 << 18)
        found = self.found(arrays.content_of(value))
        mapped = arrays.value_of(found)
        self.assertIsInstance(mapped, numpy.memmap)
        mapped += 1
        self.assertEqual(arrays.value_of(found).sum(), 0)

    def test_the_same_content_is_the_same_file(self):
        paths = [self.found(arrays.content_of((numpy.arange(3),))).files[0][1] for _ in range(2)]
        self.assertEqual(*(pathlib.Path(path).read_bytes() for path in paths))

    def test_numpy_itself_reads_the_files(self):
        path = self.found(arrays.content_of({"file": numpy.arange(3)})).files[0][1]
        with numpy.load(path) as archive:
            self.assertEqual(archive["file"].tolist(), [0, 1, 2])


class Tensor:
    """Looks like one of PyTorch."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    def detach(self):
        return self

    def cpu(self):
        return self

    def numpy(self):
        return self.values


@needs_numpy
class ModelTests(FileTestCase):
    def model(self, network, **options):
        parts = model.parts_of(network)
        found = self.found(model.content_of(parts.parameters, **options))
        found.document.update(test_accuracy=0.9, name="800", architecture=parts.architecture)
        return model.Model(found)

    def test_a_dictionary_of_tensors_comes_back_as_one_of_arrays(self):
        for value in (numpy.arange(3), Tensor(numpy.arange(3))):
            result = self.model({"layer.weight": value, "file": value})
            self.assertEqual(list(result.params), ["layer.weight", "file"])
            self.assertEqual(result.params["file"].tolist(), [0, 1, 2])

    def test_what_was_saved_with_it_is_an_attribute_and_an_item(self):
        result = self.model([numpy.zeros(1)])
        self.assertEqual((result.test_accuracy, result._test_accuracy, result["test_accuracy"]), (0.9, 0.9, 0.9))
        self.assertEqual((result.name, result._name), ("800", "800"))
        self.assertIn("test_accuracy", result)
        with self.assertRaisesRegex(AttributeError, "no 'accuracy'; it has"):
            result.accuracy

    def test_networks_are_known_by_what_they_look_like(self):
        class TensorLayer2:
            config = {"name": "mlp", "act": numpy.tanh, "shape": (None, 784)}
            all_weights = [Tensor(numpy.ones(2))]

        class TensorLayer1:
            all_graphs = [{"class": "dense"}]
            all_params = []

            def get_all_params(self):
                return [numpy.ones(2)]

        class Torch:
            def state_dict(self):
                return {"w": Tensor(numpy.ones(2))}

        class Keras:
            def get_weights(self):
                return [numpy.ones(2)]

            def get_config(self):
                return {"name": "mlp"}

        self.assertEqual(self.model(TensorLayer2()).architecture, {"name": "mlp", "act": "tanh", "shape": [None, 784]})
        self.assertEqual(self.model(TensorLayer1()).architecture, {"all_graphs": [{"class": "dense"}]})
        self.assertTrue(self.model(Torch()).architecture["class"].endswith("Torch"))
        self.assertEqual(self.model(Keras()).architecture, {"name": "mlp"})
        for kind in (TensorLayer2, TensorLayer1, Keras):
            self.assertEqual([value.tolist() for value in self.model(kind()).params], [[1, 1]])
        self.assertEqual(self.model(Torch()).params["w"].tolist(), [1, 1])

    def test_what_is_no_network_is_told(self):
        with self.assertRaisesRegex(TypeError, "network: a int is neither"):
            model.parts_of(5)
        with self.assertRaisesRegex(TypeError, "parameter 'w' is of type str"):
            model.content_of({"w": "x"})
        with self.assertRaisesRegex(ValueError, "no parameters"):
            model.content_of({})
        with self.assertRaisesRegex(errors.InvalidInput, "format: 'h5'"):
            model.content_of({"w": [1]}, "h5")

    def test_without_the_package_safetensors_it_is_told(self):
        with unittest.mock.patch.dict(sys.modules, {"safetensors": None, "safetensors.numpy": None}):
            with self.assertRaisesRegex(ImportError, "safetensors; install it"):
                model.content_of({"w": numpy.ones(2)}, "safetensors")
            path = os.path.join(self.folder, "m.safetensors")
            found = content.Found({"hub": {"kind": "file"}}, [("m.safetensors", path)], self.folder)
            with self.assertRaisesRegex(ImportError, "install that package to load them, or read the file " + path):
                model.Model(found).params

    @needs_safetensors
    def test_safetensors_come_back_as_they_were(self):
        arrays = {
            "fortran": numpy.arange(6, dtype=numpy.float32).reshape(2, 3).T,
            "sliced": numpy.arange(6)[::2],
            "scalar": numpy.float32(2),
            "empty": numpy.zeros((0, 3), numpy.int8),
            "half": numpy.ones(2, numpy.float16),
        }
        params = self.model(arrays, file_format="safetensors").params
        self.assertEqual(sorted(params), sorted(arrays))
        for name, value in arrays.items():
            self.assert_same(params[name], numpy.asarray(value), name)

    @needs_safetensors
    def test_what_safetensors_cannot_hold_is_told(self):
        with self.assertRaisesRegex(TypeError, "parameter 'w' is of type str"):
            model.content_of({"w": "x"}, "safetensors")
        with self.assertRaisesRegex(TypeError, "complex128.*format='npz'"):
            model.content_of({"w": numpy.ones(1, numpy.complex128)}, "safetensors")
        path = self.file("m.safetensors", safetensors_file({"b": ("BF16", [1], b"\x80\x3f")}))
        found = content.Found({"hub": {"kind": "file"}}, [("m.safetensors", path)], self.folder)
        try:
            import ml_dtypes  # noqa: F401
        except ImportError:
            pass
        else:
            self.assertEqual(str(model.Model(found).params["b"].dtype), "bfloat16")
            return
        with self.assertRaisesRegex(TypeError, "bfloat16.*safetensors.torch reads the file " + path):
            model.Model(found).params
