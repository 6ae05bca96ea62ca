"""Python's values as Extended JSON and back."""

import datetime
import json
import math
import re
import unittest

from support import needs_numpy, numpy
from tensorhub import errors, values


class ValueTests(unittest.TestCase):
    def back(self, value):
        return values.decode(json.loads(values.document_text(value)))

    def test_values_come_back_as_they_went(self):
        document = {
            "a": 1, "b": 2.5, "c": "é€", "d": None, "e": True, "f": [1, [2]], "g": {"h": {}}, "i": b"\0\xff",
            "j": datetime.datetime(2020, 2, 29, 12, 30, 15, 250000, datetime.timezone.utc), "k": -(2**63), "l": float("-inf"),
        }  # fmt: skip
        self.assertEqual(self.back(document), document)
        self.assertTrue(math.isnan(self.back(float("nan"))))

    def test_an_object_id_stays_one(self):
        identifier = values.ObjectId()
        self.assertEqual(values.encode({"x": identifier}), {"x": {"$oid": str(identifier)}})
        self.assertIs(type(self.back(identifier)), values.ObjectId)
        self.assertEqual(self.back(identifier), str(identifier))
        with self.assertRaisesRegex(ValueError, "24 hexadecimal digits"):
            values.ObjectId("abc")

    def test_identifiers_are_new_each_time(self):
        self.assertEqual(len({values.new_id() for _ in range(100000)}), 100000)
        self.assertTrue(all(len(values.new_id()) == 24 for _ in range(10)))

    def test_integers_beyond_64_bits_are_refused_wherever_they_are(self):
        self.assertEqual(values.encode([2**63 - 1, -(2**63)]), [2**63 - 1, -(2**63)])
        for value, words in (
            (2**63, "value is 9223372036854775808 and does not fit into 64 bits; store it as text"),
            ({"a": [0, {"b": -(2**70)}]}, r"value.a\[1\].b is -\d+ and does not fit"),
            (10**1000, "value is a number of 3322 bits and does not fit"),
        ):
            with self.assertRaisesRegex(errors.InvalidInput, words):
                values.encode(value)
        for filter in ({"n": 2**64}, {"n": {"$gt": [2**64]}}):
            with self.assertRaisesRegex(errors.InvalidInput, "filter.n.* does not fit"):
                values.filter_document(filter)

    def test_a_value_that_no_document_holds_is_named(self):
        with self.assertRaisesRegex(TypeError, r"filter\.a\.b\[1\] is of type object"):
            values.encode({"a": {"b": [0, object()]}}, "filter")
        with self.assertRaisesRegex(TypeError, "value has the key 1.5 of type float"):
            values.encode({1.5: 0})

    def test_a_value_that_contains_itself_is_an_error(self):
        endless = []
        endless.append(endless)
        with self.assertRaises(errors.InvalidInput):
            values.encode(endless)

    def test_half_a_surrogate_pair_is_refused_as_text_and_as_key(self):
        for value in ("a\ud800", ["\udfff"], {"a\ud800": 1}, {"a": {"\udfff": 1}}):
            with self.assertRaisesRegex(errors.InvalidInput, "is not UTF-8: it holds half of a surrogate pair"):
                values.encode(value)

    def test_keys_that_no_document_has_are_refused_in_the_words_of_the_hub(self):
        for key, words in (
            ("", "^tags has an empty key; name it$"), ("a.b", "^key 'a.b' in tags has a '.' or begins with '\\$'; rename it$"),
            ("$a", "^key '\\$a' in tags has a '.' or begins"), ("a\0", "NUL"),
        ):  # fmt: skip
            for value, where in (({key: 1}, "tags"), ({"x": {key: 1}}, "tags.x")):
                with self.assertRaisesRegex(errors.InvalidInput, words.replace("tags", where)):
                    values.encode(value, "tags")

    def test_what_others_store_comes_back_as_what_it_is(self):
        import decimal
        import uuid

        self.assertEqual(values.decode({"$numberDecimal": "0.1"}), decimal.Decimal("0.1"))
        binary = {"base64": "AAAAAAAAAAAAAAAAAAAABQ==", "subType": "04"}
        self.assertEqual(values.decode({"$binary": binary}), uuid.UUID(int=5))
        self.assertEqual(values.decode({"$binary": dict(binary, subType="00")}), bytes(15) + b"\5")
        for odd in ({"$regularExpression": {"pattern": "(", "options": ""}}, {"$regularExpression": {"pattern": "a", "options": "u"}}):
            self.assertEqual(values.decode(odd), odd)

    def test_dates_come_back_with_the_zone_utc(self):
        utc, zone = datetime.timezone.utc, datetime.timezone(datetime.timedelta(hours=2))
        for given in (datetime.datetime(2020, 1, 1, 2, tzinfo=zone), datetime.datetime(2020, 1, 1)):
            back = self.back(given)
            self.assertEqual((back, back.tzinfo), (datetime.datetime(2020, 1, 1, tzinfo=utc), utc))
        for text in ("2020-01-01T00:00:00Z", "2020-01-01T02:00:00.250+02:00", "2020-01-01T00:00:00.5Z"):
            back = values.decode({"$date": text})
            self.assertEqual((back.replace(microsecond=0, tzinfo=None), back.tzinfo), (datetime.datetime(2020, 1, 1), utc))

    def test_orders(self):
        for sort in ([("a", -1), ("b", 1)], {"a": -1, "b": 1}, (["a", -1], "b")):
            self.assertEqual(list(values.sort_document(sort).items()), [("a", -1), ("b", 1)])
        self.assertEqual(values.sort_document("time"), {"time": 1})
        for sort in ([("a", 2)], [(1, 1)], ["a", 3]):
            with self.assertRaisesRegex(errors.InvalidInput, "sort: ") as raised:
                values.sort_document(sort)
            self.assertEqual((raised.exception.field, raised.exception.code), ("sort", "invalid-input"))

    def test_filters(self):
        text = "0123456789abcdef01234567"
        self.assertEqual(values.filter_document({"_id": text}), {"_id": {"$oid": text}})
        pattern = {"$regularExpression": {"pattern": "^a", "options": "i"}}
        self.assertEqual(values.filter_document({"name": re.compile("^a", re.I)}), {"name": pattern})

    @needs_numpy
    def test_a_longdouble_that_64_bits_do_not_hold_is_refused(self):
        self.assertEqual(values.encode(numpy.longdouble("0.25")), 0.25)
        if numpy.longdouble("0.1") == 0.1:
            self.skipTest("this machine's longdouble has 64 bits")
        for text in ("0.1", "1e400"):
            with self.assertRaisesRegex(errors.InvalidInput, r"value\[1\] is .* of type longdouble, which 64 bits"):
                values.encode(numpy.array([1, numpy.longdouble(text)], numpy.longdouble))

    @needs_numpy
    def test_numbers_and_arrays_of_numpy(self):
        value = {"a": numpy.float32(0.5), "b": numpy.int64(3), "c": numpy.arange(4).reshape(2, 2), "d": numpy.bool_(True)}
        self.assertEqual(self.back(value), {"a": 0.5, "b": 3, "c": [[0, 1], [2, 3]], "d": True})


class ErrorTests(unittest.TestCase):
    def test_errors_are_also_pythons_own(self):
        for status, kind, own in (
            (400, errors.InvalidInput, ValueError),
            (401, errors.Refused, PermissionError),
            (403, errors.Refused, PermissionError),
            (404, errors.NotFound, LookupError),
            (503, errors.Unreachable, ConnectionError),
        ):
            error = errors.error_of(status, {"error": {"code": "c", "message": "m", "field": "f"}})
            self.assertIsInstance(error, kind)
            self.assertIsInstance(error, own)
            self.assertIsInstance(error, errors.HubError)
            self.assertEqual((str(error), error.code, error.field, error.status), ("m", "c", "f", status))

    def test_what_mongodb_forbids_is_told_apart(self):
        error = errors.error_of(403, {"error": {"code": "forbidden", "message": "MongoDB user ann may not update Task"}})
        self.assertIs(type(error), errors.Forbidden)
        self.assertIs(type(errors.error_of(403, {"error": {"code": "read-only", "message": "m"}})), errors.Refused)

    def test_names_that_are_near_are_told(self):
        error = errors.error_of(404, {"error": {"message": "no data set mnits", "suggestions": ["mnist"]}})
        self.assertEqual(str(error), "no data set mnits; near it: mnist")
        self.assertEqual(error.suggestions, ["mnist"])

    def test_an_answer_that_is_no_error_document_is_one_nevertheless(self):
        for answer in ({}, [], {"error": "x"}, None):
            self.assertEqual(str(errors.error_of(500, answer)), "the hub answered with status 500")


if __name__ == "__main__":
    unittest.main()
