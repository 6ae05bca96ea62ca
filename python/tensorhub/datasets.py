"""The data sets of a project."""

from __future__ import annotations

from typing import Any, Dict, List, Optional, Tuple, Union

from . import arrays, content, errors
from .project import Project, Sort


class DataSets(Project):
    """The part of a hub that is about data sets."""

    def save_dataset(
        self,
        dataset: Any = None,
        dataset_name: Optional[str] = None,
        *,
        shards: Optional[int] = None,
        allow_pickle: bool = False,
        **tags: Any,
    ) -> Dict[str, Any]:
        """Saves a data set under a name; one of that name gets a new version.

        :param dataset: An array; a dictionary, tuple or list of arrays, also nested and with numbers and texts between
            them; a DataFrame of pandas; bytes; the path of a file or a folder.
        :param shards: Cuts the arrays along their first axis into that many pieces, to be read one by one.
        :param allow_pickle: Whether anything else is stored as a pickle.
        :param tags: What it is found by, and a description.
        :returns: The document. In a task what it will be: its version, files and ``dataset_id`` are set on delivery.
        :raises TypeError: for what is none of these.
        """
        if dataset_name is None:
            raise errors.invalid("dataset_name", "dataset_name is None; give a name")
        if dataset is None:
            raise TypeError("dataset: there is none")
        files = arrays.content_of(dataset, shards, allow_pickle)
        return content.save(self._client, "datasets", str(dataset_name), files, tags)

    def find_top_dataset(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        shard: Union[None, str, Tuple[int, int]] = None,
        allow_pickle: bool = False,
        **filter: Any,
    ) -> Any:
        """Finds the first data set that matches and loads it in the form in which it was saved.

        Files and folders are given as the path of a read-only copy on this machine. An array from 1 MiB on is mapped
        from such a copy; changes to it stay in memory.

        Several files that no client has described, as `tensorhub dataset put a.npy b.npz` stores them, are a dictionary
        of the array or the dictionary of each, under its name without extension.

        :param dataset_name: ``None`` for any; TensorLayer raised.
        :param sort: ``[("time", -1)]``; unless given, the newest version comes first, of any name the newest data set.
        :param shard: ``(i, n)``: only the pieces i, i + n, ... from 0.
        :param allow_pickle: Whether a pickle may be loaded, as TensorLayer saved everything. It can run any code.
        :returns: ``False`` if nothing matches, as with TensorLayer; the names near it are told on standard error.
        :raises errors.HubError: for everything else that goes wrong.
        """
        found = self._find("datasets", dataset_name, sort, version, filter, shard=shard)
        return False if found is None else arrays.value_of(found, allow_pickle)

    find_dataset = find_top_dataset

    def find_datasets(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        allow_pickle: bool = False,
        **filter: Any,
    ) -> List[Any]:
        """Finds all data sets that match, of any name unless one is given, and loads them.

        :meth:`list_datasets` tells what there is without loading it.
        """
        result = []
        for document in self.list_datasets(dataset_name, sort, version, **filter):
            found = self._find("datasets", None, None, None, {"_id": document["_id"]})
            if found is not None:
                result.append(arrays.value_of(found, allow_pickle))
        return result

    find_all_datasets = find_datasets

    def list_datasets(
        self,
        dataset_name: Optional[str] = None,
        sort: Sort = None,
        version: Optional[int] = None,
        limit: Optional[int] = None,
        **filter: Any,
    ) -> List[Dict[str, Any]]:
        """The documents of all data sets that match, without what is in them."""
        return self._list("/v1/datasets", filter, sort, name=dataset_name, version=version, limit=limit)

    def delete_datasets(
        self, dataset_name: Optional[str] = None, version: Optional[int] = None, *, force: bool = False, **filter: Any
    ) -> int:
        """Deletes all data sets that match, with their content; returns how many.

        Without any argument all data sets of the project, as with TensorLayer.

        :param force: Whether also those in the lineage of a model.
        :raises errors.InvalidInput: for a version without a name.
        :raises errors.HubError: with code ``wrong-state`` where one is in the lineage of a model; then none is deleted.
        """
        query = {"name": dataset_name, "version": version, "force": "true" if force else None}
        return self._delete("/v1/datasets", query, filter)

    delete_dataset = delete_datasets
