"""What a notebook shows of what was found."""

import datetime
import html.parser
import json
import pickle
import time
import unittest
import uuid

import support  # noqa: F401, which puts the package on the path
from tensorhub import content, model, values
from tensorhub.display import Documents
from tensorhub.why import Why


class Cells(html.parser.HTMLParser):
    """The texts of the cells, row by row; fails where tags do not match."""

    def __init__(self, text):
        super().__init__()
        self.rows, self.open = [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attributes):
        assert tag in ("table", "thead", "tbody", "tr", "th", "td", "p", "caption", "pre"), tag
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += data


def found(**fields):
    return {"_id": values.ObjectId(), "project_name": "p", "hub": {"v": 1}, **fields}


class DisplayTests(unittest.TestCase):
    def test_documents_are_a_table_of_their_fields(self):
        time = datetime.datetime(2024, 2, 29, 12, 30, tzinfo=datetime.timezone.utc)
        one = found(status="finished", hyper_parameters={"rate": 0.1, "n": 3}, time=time)
        documents = Documents([one, found(result={"a": [1, {"b": None}]})])
        head, first, second = Cells(documents._repr_html_()).rows
        self.assertEqual(head, ["_id", "status", "hyper_parameters", "time", "result"])
        self.assertEqual(first[1:], ["finished", "rate=0.1 n=3", "2024-02-29 12:30:00Z", ""])
        self.assertEqual(second[1:], ["", "", "", "a=[1, {b: None}]"])

    def test_what_somebody_stored_is_shown_and_not_run(self):
        evil = "<script>alert('x')</script>&"
        documents = Documents([found(**{evil: evil, "nested": {evil: [evil]}})])
        text = documents._repr_html_()
        self.assertNotIn("<script", text)
        self.assertEqual(Cells(text).rows[1][1], evil)

    def test_much_is_cut_and_says_so_at_once(self):
        large = {"k%d" % i: ["x" * 100] * 1000 for i in range(1000)}
        fields = {"text": "y" * 1_000_000, "data": bytes(1_000_000), "large": large}
        documents = Documents(found(**fields) for _ in range(1000))
        documents[0].update(("f%d" % i, i) for i in range(10_000))
        start = time.monotonic()
        text = documents._repr_html_()
        self.assertLess(time.monotonic() - start, 1)
        self.assertLess(len(text), 100_000)
        self.assertIn("the first 20 of 1000", text)
        self.assertIn("without the fields", text)
        self.assertTrue(all(len(cell) <= 80 for row in Cells(text).rows for cell in row))

    def test_whatever_is_in_it_nothing_is_raised(self):
        class Broken:
            def __str__(self):
                raise RuntimeError

        deep = []
        deep.append(deep)
        good = Documents([found(a=deep, b=uuid.UUID(int=5), c=float("nan"), d=None, e=datetime.datetime.min)])
        self.assertIn("<table>", good._repr_html_())
        self.assertIsNone(Documents([{"a": Broken()}])._repr_html_())
        self.assertIsNone(Documents([1])._repr_html_())
        self.assertIn("<table>", Documents()._repr_html_())

    def test_it_is_a_list_all_the_same(self):
        documents = Documents([{"a": 1}, {"a": 2}])
        self.assertIsInstance(documents, list)
        self.assertEqual(documents, [{"a": 1}, {"a": 2}])
        self.assertEqual((documents[-1], documents[:1]), ({"a": 2}, [{"a": 1}]))
        self.assertEqual(json.dumps(documents), '[{"a": 1}, {"a": 2}]')
        self.assertEqual(pickle.loads(pickle.dumps(documents)), documents)
        self.assertEqual(repr(documents), "[{'a': 1}, {'a': 2}]")

    def test_a_model_is_a_table_of_what_was_saved_with_it(self):
        document = found(model_name="<mlp>", test_accuracy=0.97, architecture={"layers": [1] * 10_000})
        document["hub"] = {"version": 3}
        text = model.Model(content.Found(document, [], None))._repr_html_()
        self.assertIn("model &lt;mlp&gt;, version 3", text)
        self.assertIn(["test_accuracy", "0.97"], Cells(text).rows)
        self.assertNotIn("layers", text)

    def test_why_is_its_sentences(self):
        why = Why({"_id": "x", "status": "<odd>", "time": datetime.datetime.min, "history": []})
        self.assertEqual(why._repr_html_(), "<pre>task x is &lt;odd&gt;</pre>")


if __name__ == "__main__":
    unittest.main()
