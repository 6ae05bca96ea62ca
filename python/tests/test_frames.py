"""DataFrames of pandas: stored without pickle and equal when they come back; logs as DataFrames."""

import datetime
import os
import unittest
import zipfile
from unittest import mock

from support import ServerTestCase, has_pandas, has_pyarrow, needs_pandas, needs_pyarrow, needs_server
from test_arrays import FileTestCase

import tensorhub
from tensorhub import arrays, frames

if has_pandas:
    import numpy
    import pandas


def plain_frame():
    """Of types that Parquet holds, too."""
    return pandas.DataFrame({
        "n": numpy.arange(5), "small": numpy.arange(5, dtype="i1"), "x": [0.5, numpy.nan, -numpy.inf, -0.0, 1e300],
        "f4": numpy.arange(5, dtype="f4"), "yes": [True, False, True, True, False],
        "text": ["a", "é", "", "\0b", "\U0001f600"],
        "time": pandas.date_range("2024-02-29", periods=5, freq="h").to_numpy(),
        "zone": pandas.date_range("2024-02-29", periods=5, tz="Europe/Berlin"),
        "whole": pandas.array([1, None, 3, 4, 5], dtype="Int64"),
        "maybe": pandas.array([True, None, False, True, None]),
    })  # fmt: skip


def odd_frames():
    """One thing each that Parquet, or pandas with it, would change."""
    rows = {"x": [1.5, 2.5, 3.5]}
    index = pandas.date_range("2024-01-01", periods=3, freq="D")
    yield "numbers as names", pandas.DataFrame(numpy.arange(6.0).reshape(3, 2))
    yield "a frequency", pandas.DataFrame(rows, index=index)
    yield "an index of texts", pandas.DataFrame(rows, index=["a", "b", "c"])
    yield "an index that has a name", pandas.DataFrame(rows, index=pandas.Index([3, 1, 1], name="step"))
    yield "an index with a step", pandas.DataFrame(rows, index=pandas.RangeIndex(4, 10, 2, name="é"))
    yield "an index of several levels", pandas.DataFrame(
        rows, index=pandas.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)], names=["k", None])
    )
    yield "columns of several levels", pandas.DataFrame(
        numpy.arange(9).reshape(3, 3), columns=pandas.MultiIndex.from_tuples([("a", "x"), ("a", "y"), ("b", "x")])
    )
    yield "a name twice", pandas.DataFrame([[1, 2.5], [3, 4.5]], columns=["a", "a"])
    yield "an index label twice and a name twice", pandas.DataFrame([[1, "a"]] * 2, columns=["a", "a"], index=[7, 7])
    yield "names of a name", pandas.DataFrame(rows, columns=pandas.Index(["x"], name="what"))
    yield "texts as objects", pandas.DataFrame({"a": pandas.Series(["x", None, "é"], dtype=object)})
    missing = pandas.Series([None, numpy.nan, pandas.NA, pandas.NaT, "x\ud800"], dtype=object)
    yield "several kinds of nothing", pandas.DataFrame({"a": missing})
    yield "categories that nothing has", pandas.DataFrame(
        {"c": pandas.Categorical(["b", None, "b"], categories=["c", "b", "a"], ordered=True)}
    )
    yield "categories of numbers", pandas.DataFrame({"c": pandas.Categorical([3, 1, 3])})
    yield "an index of categories", pandas.DataFrame(rows, index=pandas.CategoricalIndex(["u", "v", "u"]))
    yield "seconds", pandas.DataFrame({"t": numpy.array(["2024-01-01", "NaT"], "M8[s]")})
    durations = {"d": numpy.array([1, -5, "NaT"], "m8[ns]"), "s": numpy.arange(3).astype("m8[s]")}
    yield "durations", pandas.DataFrame(durations)
    yield "a zone that is a shift", pandas.DataFrame(
        {"t": pandas.date_range("2024-01-01", periods=2, tz=datetime.timezone(datetime.timedelta(hours=5, minutes=45)))}
    )
    yield "complex numbers", pandas.DataFrame({"z": [1j, 2]})
    yield "half precision", pandas.DataFrame({"h": numpy.array([1, 2], "f2")})
    yield "nullable numbers", pandas.DataFrame({"f": pandas.array([0.5, None], dtype="Float32")})
    yield "texts of pandas' own", pandas.DataFrame({"s": pandas.array(["a", None, ""], dtype="string")})
    yield "no rows", plain_frame().iloc[:0]
    empty = {"a": pandas.Series([], dtype=object), "b": pandas.Series([], dtype="M8[ns]")}
    yield "no rows of objects", pandas.DataFrame(empty)
    yield "no columns", pandas.DataFrame(index=pandas.RangeIndex(3))
    yield "nothing", pandas.DataFrame()
    yield "attributes", pandas.DataFrame(rows)
    fortran = pandas.DataFrame(numpy.asfortranarray(numpy.arange(6.0).reshape(3, 2)), columns=["a", "b"])
    yield "part of a larger one", fortran.iloc[::2, ::-1]
    yield "names that Parquet uses itself", pandas.DataFrame({"__index_level_0__": [1, 2]}, index=["a", "b"])


def refused_frames():
    """A frame, and what its refusal has to name."""
    yield pandas.DataFrame({"a": [1], "b": [{"x": 1}]}), r"dataset\['b'\].* at 0 one of type dict.*convert_dtypes"
    yield pandas.DataFrame({"a": pandas.Series(["x", 1], dtype=object)}), r"dataset\['a'\].* at 1 one of type int"
    yield pandas.DataFrame({"p": pandas.period_range("2024-01", periods=2, freq="M")}), r"dataset\['p'\].*to_timestamp"
    yield pandas.DataFrame({"i": pandas.interval_range(0, 2)}), r"dataset\['i'\].*array.left"
    yield pandas.DataFrame({"s": pandas.arrays.SparseArray([0, 0, 1])}), r"dataset\['s'\].*to_dense"
    if has_pyarrow:
        yield pandas.DataFrame({"w": [1]}, dtype="int64[pyarrow]"), r"dataset\['w'\].*astype"
    yield pandas.DataFrame([[1, 2]], columns=["a", (1.5,)]), "names of columns.*map"
    yield pandas.DataFrame({"a": [1]}, index=pandas.Index([datetime.date(2024, 1, 1)])), "its index.*reset_index"
    odd = pandas.DataFrame({"a": [1]})
    odd.attrs["f"] = len
    yield odd, "attrs"
    yield pandas.DataFrame({"a": [1]}, index=pandas.Index([1], name=1.5)), "index has the name 1.5"
    yield type("GeoDataFrame", (pandas.DataFrame,), {})({"a": [1]}), r"is a GeoDataFrame.*pandas.DataFrame\(x\)"


@needs_pandas
class FrameTests(FileTestCase):
    def back(self, frame, wanted=None):
        """The frame as it comes back.

        :param wanted: The ending of the file that it is to go through.
        """
        content = arrays.content_of(frame)
        (part,) = content.parts
        if wanted is not None:
            self.assertEqual(os.path.splitext(part.path)[1], wanted)
        return arrays.value_of(self.found(content))

    def assert_equal_frames(self, frame, found, words):
        pandas.testing.assert_frame_equal(frame, found, check_exact=True, check_freq=True, obj=words)
        self.assertIs(type(found.index), type(frame.index), words)
        self.assertIs(type(found.columns), type(frame.columns), words)
        self.assertEqual(found.attrs, frame.attrs, words)
        for number in range(frame.shape[1]):
            one, other = frame.iloc[:, number], found.iloc[:, number]
            if one.dtype == object:
                self.assertEqual([repr(v) for v in one], [repr(v) for v in other], words)

    @needs_pyarrow
    def test_a_frame_of_plain_columns_is_stored_in_parquet(self):
        frame = plain_frame()
        self.assert_equal_frames(frame, self.back(frame, ".parquet"), "all")
        for name in frame:
            self.assert_equal_frames(frame[[name]], self.back(frame[[name]], ".parquet"), name)
            self.assert_equal_frames(frame[[name]].iloc[1:3], self.back(frame[[name]].iloc[1:3]), name)

    @needs_pyarrow
    def test_what_parquet_would_change_is_stored_otherwise(self):
        for name, frame in odd_frames():
            if name == "attributes":
                frame.attrs = {"source": "camera", "sizes": [1, 2]}
            self.assert_equal_frames(frame, self.back(frame), name)

    def test_without_pyarrow_columns_are_stored_as_arrays(self):
        for name, frame in [("plain", plain_frame()), *odd_frames()]:
            with mock.patch.dict("sys.modules", {"pyarrow": None, "pyarrow.parquet": None}):
                content = arrays.content_of(frame)
            self.assertEqual(content.parts[0].path, "data.npz")
            self.assert_equal_frames(frame, arrays.value_of(self.found(content)), name)

    def test_nothing_of_it_is_a_pickle(self):
        for _, frame in odd_frames():
            (part,) = arrays.content_of(frame).parts
            with part.source as file:
                if not part.path.endswith(".npz"):
                    self.assertEqual((file.seek(0), file.read(4)), (0, b"PAR1"))
                    continue
                with zipfile.ZipFile(file) as archive:
                    for name in archive.namelist():
                        self.assertNotIn(b"'|O'", archive.read(name)[:200], name)

    def test_the_same_frame_is_the_same_file(self):
        for frame in (plain_frame(), next(frame for _, frame in odd_frames())):
            files = [arrays.content_of(frame).parts[0].source for _ in range(2)]
            contents = []
            for file in files:
                file.seek(0)
                contents.append(file.read())
                file.close()
            self.assertEqual(*contents)

    def test_a_column_that_no_file_holds_is_refused_by_name(self):
        for frame, words in refused_frames():
            with self.assertRaisesRegex(TypeError, "(?s)" + words + ".*allow_pickle=True"):
                arrays.content_of(frame)
        with self.assertRaisesRegex(tensorhub.InvalidInput, "shards: a DataFrame is not cut"):
            arrays.content_of(plain_frame(), shards=2)

    def test_what_is_refused_may_still_be_pickled(self):
        frame = pandas.DataFrame({"b": [{"x": 1}]})
        content = arrays.content_of(frame, allow_pickle=True)
        self.assertEqual(content.form, "pickle")
        pandas.testing.assert_frame_equal(arrays.value_of(self.found(content), allow_pickle=True), frame)

    def test_a_reader_that_lacks_a_package_is_told_which(self):
        path = self.found(arrays.content_of(pandas.DataFrame({"a": [1]}))).files[0][1]
        with mock.patch.dict("sys.modules", {"pandas": None}):
            with self.assertRaisesRegex(ImportError, "install pandas.*" + path):
                frames.read(path)
        with mock.patch.dict("sys.modules", {"pyarrow": None, "pyarrow.parquet": None}):
            with self.assertRaisesRegex(ImportError, "install pyarrow.*/nowhere.parquet"):
                frames.read("/nowhere.parquet")

    @needs_pyarrow
    def test_a_pyarrow_that_runs_what_a_file_brings_is_not_used(self):
        import pyarrow

        for version, is_used in (("14.0.0", False), ("9.0.1", False), ("14.0.1", True), ("20.0.0.dev1", True)):
            with mock.patch.object(pyarrow, "__version__", version):
                self.assertEqual(frames._parquet_module() is not None, is_used, version)
                (part,) = arrays.content_of(pandas.DataFrame({"a": [1]})).parts
                part.source.close()
                self.assertEqual(part.path, "data.parquet" if is_used else "data.npz")

    def test_entries_of_a_log_are_rows(self):
        first, second = (datetime.datetime(2024, 1, day, tzinfo=datetime.timezone.utc) for day in (1, 2))
        entries = [
            {"_id": "1", "project_name": "p", "time": first, "loss": 0.5, "step": 1},
            {"_id": "2", "time": second, "hub": {"task": "t", "attempt": 2}, "task": "x"},
        ]
        frame = frames.of_log(entries, pandas)
        self.assertEqual(list(frame), ["_id", "time", "task", "attempt", "loss", "step", "value.task"])
        self.assertEqual(str(frame["time"].dt.tz), "UTC")
        self.assertEqual((frame["loss"][0], frame["value.task"][1], frame["task"][1]), (0.5, "x", "t"))
        self.assertTrue(frame["loss"].isna()[1])
        empty = frames.of_log([], pandas)
        self.assertEqual((list(empty), len(empty)), (["_id", "time", "task", "attempt"], 0))


class MissingPandasTests(unittest.TestCase):
    def test_a_log_as_a_frame_says_what_it_needs(self):
        with mock.patch.dict("sys.modules", {"pandas": None}):
            with self.assertRaisesRegex(ImportError, "as_frame=True needs pandas.*pip install pandas"):
                frames.pandas_for("as_frame=True")

    def test_nothing_is_a_frame_where_pandas_was_not_imported(self):
        with mock.patch.dict("sys.modules", {"pandas": None}):
            self.assertFalse(frames.is_frame([1]))


@needs_server
@needs_pandas
class HubTests(ServerTestCase):
    def test_a_frame_comes_back_from_a_hub(self):
        for frame in (plain_frame(), pandas.DataFrame({"a": [1.5, 2]}, index=["x", "y"])):
            saved = self.db.save_dataset(frame, "d", split="train")
            self.assertEqual((saved["hub"]["form"], saved["split"]), ("frame", "train"))
            pandas.testing.assert_frame_equal(self.db.find_top_dataset("d"), frame, check_exact=True)
        self.assertEqual([type(each) for each in self.db.find_datasets("d")], [pandas.DataFrame] * 2)

    def test_a_log_is_read_as_a_frame(self):
        for step in range(3):
            for save in (self.db.save_training_log, self.db.save_validation_log, self.db.save_testing_log):
                save(step=step, loss=1 / (step + 1))
        for find in (self.db.find_training_log, self.db.find_validation_logs, self.db.find_testing_log):
            frame = find(as_frame=True, sort=[("step", -1)], limit=2)
            self.assertEqual((frame["step"].tolist(), frame["loss"].dtype), ([2, 1], float))
            self.assertTrue(frame["task"].isna().all())
            self.assertIsInstance(find(), list)

    def test_it_is_told_before_anything_is_read_where_pandas_is_missing(self):
        with mock.patch.dict("sys.modules", {"pandas": None}):
            with self.assertRaisesRegex(ImportError, "as_frame=True needs pandas"):
                self.db.find_training_log(as_frame=True)


if __name__ == "__main__":
    unittest.main()
