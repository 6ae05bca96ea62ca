"""The table "Types" of docs/python.md, cell by cell: files here, documents here and through a real hub and task."""

import json
import os
import pathlib

import samples
from support import PACKAGE, ServerTestCase, has_safetensors, needs_numpy, needs_safetensors, needs_server, numpy
from test_arrays import FileTestCase

import tensorhub
from tensorhub import arrays, conversion, model, values

COLUMNS = ("file", "parameter", "document")


def table():
    """The rows of the table: what stands in them."""
    text = (PACKAGE.parent.parent / "docs" / "python.md").read_text(encoding="utf-8")
    lines = text.partition("### Types\n")[2].partition("\n### ")[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("| ")][1:]
    return [(row[0].strip("| "), dict(zip(COLUMNS, row[1:]))) for row in rows]


def cells(column):
    """The word of each row, with its samples."""
    found = list(samples.rows())
    for name, words in table():
        for start, row_samples in found:
            if name.startswith(start) and max((s for s, _ in found if name.startswith(s)), key=len) == start:
                yield name, words[column].rstrip(" |"), row_samples


def each(column):
    """Each sample, with a key of its own, the name of its row and the word that stands there."""
    for index, (name, word, row) in enumerate(cells(column)):
        for number, sample in enumerate(row):
            yield "v%d_%d" % (index, number), name, word, sample


def is_dotted(value):
    """Whether only its keys keep it out of documents, and not out of results."""
    return type(value) is dict and list(value) == ["a.b"]


class TableTests(FileTestCase):
    def test_every_row_has_samples_and_every_sample_a_row(self):
        names = [name for name, _ in table()]
        self.assertGreater(len(names), 40)
        for start, _ in samples.rows():
            self.assertTrue([name for name in names if name.startswith(start)], start)
        if numpy is not None:
            self.assertEqual([name for name, _, _ in cells("file")], names)

    def walk(self, column, back, place):
        conversion._is_rounding_told = True
        count = 0
        for _, name, word, sample in each(column):
            words = "%s: %s, %r" % (place, name, sample.value)
            count += 1
            if word == "refused":
                with self.assertRaises((TypeError, ValueError), msg=words) as raised:
                    back(sample.value)
                self.assertRegex(str(raised.exception), "(?s)(v|w)\\b", words)
                continue
            wanted = sample.value
            if word != "kept":
                wanted = sample.document if column == "document" else sample.file
                if isinstance(wanted, type(None)) and column != "document":
                    wanted = sample.value
            self.assert_same(wanted, back(sample.value), words)
        return count

    @needs_numpy
    def test_parts_of_data_sets(self):
        def back(value):
            content = arrays.content_of({"a": numpy.zeros(1), "v": value})
            return arrays.value_of(self.found(content))["v"]

        self.assertGreater(self.walk("file", back, "part of a data set"), 150)

    @needs_numpy
    def test_parameters_of_models(self):
        def back(value):
            return model.Model(self.found(model.content_of({"w": value}))).params["w"]

        self.walk("parameter", back, "parameter")

    @needs_safetensors
    def test_a_format_that_holds_less_refuses_the_rest(self):
        kept = 0
        for _, name, _, sample in each("parameter"):
            try:
                content = model.content_of({"w": sample.value}, "safetensors")
            except (TypeError, ValueError):
                continue
            kept += 1
            wanted = sample.value if type(sample.value) is numpy.ndarray else sample.file
            found = model.Model(self.found(content)).params["w"]
            self.assertEqual((found.dtype, found.tobytes()), (wanted.dtype, wanted.tobytes()), name)
        self.assertGreater(kept, 15)

    def test_documents(self):
        def back(value):
            return values.decode(json.loads(values.document_text({"v": value})))["v"]

        self.assertGreater(self.walk("document", back, "document"), 70)

    @needs_numpy
    def test_shards_keep_types_and_orders_of_bytes(self):
        for _, name, word, sample in each("file"):
            if word == "kept" and isinstance(sample.value, numpy.ndarray) and sample.value.shape[:1] > (1,):
                found = arrays.value_of(self.found(arrays.content_of(sample.value, shards=2)))
                self.assert_same(sample.value, found, name)

    @needs_numpy
    def test_names_that_a_file_would_mix_up_are_told_apart(self):
        one, two = numpy.zeros(1), numpy.ones(1)
        for names in (("x", "x.npy"), ("a", "a\0b"), ("é", "e\u0301"), ("\ud800", "x"), ("/a", "a"), ("", "a"), ("a\\b", "a/b")):
            value = dict(zip(names, (one, two)))
            for found in (
                arrays.value_of(self.found(arrays.content_of(value))),
                model.Model(self.found(model.content_of(value))).params,
            ):
                self.assert_same(value, found, repr(names))

    @needs_numpy
    def test_parameters_come_back_in_the_form_they_had(self):
        one = numpy.arange(3.0)
        for word in ("npz", "safetensors") if has_safetensors else ("npz",):
            for value in (one, [one, one + 1], (one,), {"a": one}, [one + i for i in range(12)]):
                found = model.Model(self.found(model.content_of(value, word))).params
                self.assert_same(value, found, word)
        for value in (samples.Pair(one, one), {1: one, "1": one}):
            with self.assertRaisesRegex(TypeError, "network"):
                model.content_of(value)

    def test_what_is_refused_says_what_to_do(self):
        for value, remedy in (
            ({1}, "sorted"), (range(3), "list\\(x\\)"), (1j, "x.real"), (samples.Point(), "asdict"), (pathlib.Path("a"), "str\\(x\\)"),
            (2**64, "str\\("), ("\ud800", "encode"), ({"$a": 1}, "rename"), ({"": 1}, "name it"), ({1: 0, "1": 0}, "rename"),
        ):  # fmt: skip
            with self.assertRaisesRegex((TypeError, ValueError), "^(v|log|key).*" + remedy):
                tensorhub.report(v=value)

    def test_results_may_have_dots_in_their_keys(self):
        self.assertEqual(values.encode({"a.b": 1}, "x", 0, values.RESULT), {"a.b": 1})
        with self.assertRaisesRegex(ValueError, "begins with"):
            values.encode({"$b": 1}, "x", 0, values.RESULT)


@needs_server
class DoorTests(ServerTestCase):
    """The same rows through a hub and a task."""

    def test_logs_tags_and_hyper_parameters(self):
        db = self.db
        script = self.file("a.py", "pass")
        saves = [
            lambda v: db.save_training_log(v=v),
            lambda v: db.create_task("t", script, {"v": v}),
            lambda v: db.create_task("t", script, v=v),
            lambda v: db.save_dataset(b"x", "d", v=v),
            lambda v: tensorhub.save_results(v=v),
        ]
        kept, wanted = {}, {}
        for key, _, word, sample in each("document"):
            if word != "refused":
                kept[key] = sample.value
                wanted[key] = sample.value if word == "kept" else sample.document
                continue
            # Results, alone, may have dots in their keys.
            for save in saves[:-1] if is_dotted(sample.value) else saves:
                with self.assertRaises((TypeError, ValueError)):
                    save(sample.value)
        db.save_training_log(**kept)
        db.create_task("t", script, kept, **kept)
        db.save_dataset(b"x", "d", **kept)
        (entry,), (task,), (data,) = db.find_training_log(), db.find_tasks("t"), db.list_datasets("d")
        for place, found in (("log", entry), ("hyper-parameter", task["hyper_parameters"]), ("tag", task), ("data set's", data)):
            for key, value in wanted.items():
                self.assert_same(value, found[key], "%s: %r" % (place, kept[key]))

    def test_results_and_logs_of_a_task(self):
        db = self.db
        self.keep_state_in_folder()
        text = """
            import sys, tensorhub
            sys.path.insert(0, %r)
            sys.path.append(%r)
            from test_types import each
            kept = {}
            for key, _, word, sample in each('document'):
                globals()[key] = sample.value
                if word != 'refused':
                    kept[key] = sample.value
            tensorhub.report(kept)
            tensorhub.save_results({'api': kept})
        """
        folder = os.path.dirname(os.path.abspath(__file__))
        script = self.file("a.py", text % (folder, os.environ.get("PYTHONPATH", "")))
        wanted, refused = {}, []
        for key, _, word, sample in each("document"):
            if word != "refused":
                wanted[key] = sample.value if word == "kept" else sample.document
            elif not is_dotted(sample.value):
                refused.append((key, sample.value))
        good = db.create_task("good", script, {}, sorted(wanted), max_failures=1)
        bad = db.create_task("bad", script, {}, [key for key, _ in refused], max_failures=1)
        db.run_top_task("good")
        db.run_top_task("bad")
        task = db.find_top_task(_id=good)
        self.assertEqual(task["status"], "finished", task["hub"].get("error"))
        (entry, *_) = db.find_training_log()
        for key, value in wanted.items():
            for place, found in (("result", task["result"]), ("save_results", task["result"]["api"]), ("report", entry)):
                self.assert_same(value, found[key], "%s: %s" % (place, key))
        error = db.find_top_task(_id=bad)["hub"]["error"]
        self.assertEqual(error["kind"], "bad-result")
        for key, value in refused:
            self.assertIn("the result '%s' cannot be stored: " % key, error["message"], repr(value))
