"""Scoring that needs no vectors: fusion, text, order, sample; and the knobs of a search."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

import qdrant_edge as edge

from local.qdrant.errors import bad_request, unsupported
from local.qdrant.fields import Fields, Json, as_choice, as_number, as_text, expected

# Qdrant's own default, see its documentation of hybrid queries
DEFAULT_RRF_K = 2


def scoring_without_vectors(fields: Fields, using: str) -> edge.ScoringQueryType:
    query: edge.ScoringQueryType
    if "fusion" in fields:
        query = _fusion(fields.text("fusion"), fields.at("fusion"))
    elif "rrf" in fields:
        query = _rrf(Fields(fields.take("rrf"), fields.at("rrf")))
    elif "text" in fields:
        query = _text(fields.take("text"), fields.at("text"), using)
    elif "order_by" in fields:
        query = order_by(fields.take("order_by"), fields.at("order_by"))
    elif "sample" in fields:
        query = as_choice(fields.take("sample"), edge.Sample, fields.at("sample"))
    else:
        fields.finish()
        message = f"`{fields.where}` is empty"
        raise bad_request(message)
    return query


def _fusion(name: str | None, where: str) -> edge.Fusion:
    # the stub does not say that the variants are fusions themselves
    if name == "rrf":
        return edge.Fusion.Rrf(k=DEFAULT_RRF_K)  # type: ignore[return-value]
    if name == "dbsf":
        return edge.Fusion.Dbsf()  # type: ignore[return-value]
    raise expected(where, name, "rrf or dbsf")


def _rrf(fields: Fields) -> edge.Fusion:
    k = fields.integer("k", least=1)
    given = fields.items("weights")
    fields.finish()
    weights = None
    if given is not None:
        weights = [as_number(w, f"{fields.at('weights')}[{i}]") for i, w in enumerate(given)]
    return edge.Fusion.Rrf(  # type: ignore[return-value]  # as above
        k=DEFAULT_RRF_K if k is None else k, weights=weights
    )


def _text(value: Json, where: str, using: str) -> edge.TextQuery:
    if not using:
        message = f"`{where}` needs `using`: the payload field whose text index to search"
        raise bad_request(message)
    if isinstance(value, str):
        return edge.TextQuery(using, value)
    fields = Fields(value, where)
    text = as_text(fields.required("query"), fields.at("query"))
    scoring = fields.object("scoring")
    fields.finish()
    if scoring is None:
        return edge.TextQuery(using, text)
    kind = scoring.text("type")
    if kind not in (None, "bm25"):
        raise expected(scoring.at("type"), kind, "bm25")
    params = edge.Bm25Params(k=scoring.number("k"), b=scoring.number("b"))
    scoring.finish()
    return edge.TextQuery(using, text, scoring=params)


def order_by(value: Json, where: str) -> edge.OrderBy:
    if isinstance(value, str):
        return edge.OrderBy(value)
    fields = Fields(value, where)
    key = as_text(fields.required("key"), fields.at("key"))
    direction = fields.choice("direction", edge.Direction)
    start = fields.take("start_from")
    fields.finish()
    if start is not None and (isinstance(start, bool) or not isinstance(start, int | float | str)):
        raise expected(fields.at("start_from"), start, "a number or a date and time")
    return edge.OrderBy(key, direction, start)


def search_params(fields: Fields) -> edge.SearchParams:
    quantization = fields.object("quantization")
    acorn = fields.object("acorn")
    if fields.take("idf") not in (None, "global"):
        what = f"`{fields.at('idf')}` other than global"
        raise unsupported(what)
    params = edge.SearchParams(
        hnsw_ef=fields.integer("hnsw_ef", least=1),
        exact=fields.flag("exact") or False,
        indexed_only=fields.flag("indexed_only") or False,
        quantization=None if quantization is None else _quantization(quantization),
        acorn=None if acorn is None else _acorn(acorn),
    )
    fields.finish()
    return params


def _quantization(fields: Fields) -> edge.QuantizationSearchParams:
    params = edge.QuantizationSearchParams(
        ignore=fields.flag("ignore") or False,
        rescore=fields.flag("rescore"),
        oversampling=fields.number("oversampling"),
    )
    fields.finish()
    return params


def _acorn(fields: Fields) -> edge.AcornSearchParams:
    params = edge.AcornSearchParams(
        enable=fields.flag("enable") or False, max_selectivity=fields.number("max_selectivity")
    )
    fields.finish()
    return params
