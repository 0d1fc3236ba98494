"""Payload index schemas between JSON and the engine."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

import qdrant_edge as edge

from local.qdrant.errors import unsupported
from local.qdrant.fields import Fields, Json, as_choice, as_text, expected


def read_schema(value: Json, where: str) -> edge.PayloadSchemaType | edge.PayloadSchemaParams:
    """Read `"keyword"` or `{"type": "keyword", ...}`."""
    if isinstance(value, str):
        return as_choice(value, edge.PayloadSchemaType, where)
    fields = Fields(value, where)
    kind = as_text(fields.required("type"), fields.at("type"))
    on_disk = fields.flag("on_disk")
    enable_hnsw = fields.flag("enable_hnsw")
    memory = fields.choice("memory", edge.Memory)
    nested = fields.text("nested")
    params: edge.PayloadSchemaParams
    match kind:
        case "keyword":
            params = edge.KeywordIndexParams(
                is_tenant=fields.flag("is_tenant"),
                prefix=fields.flag("prefix"),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "integer":
            params = edge.IntegerIndexParams(
                lookup=fields.flag("lookup"),
                range=fields.flag("range"),
                is_principal=fields.flag("is_principal"),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "float":
            params = edge.FloatIndexParams(
                is_principal=fields.flag("is_principal"),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "datetime":
            params = edge.DatetimeIndexParams(
                is_principal=fields.flag("is_principal"),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "uuid":
            params = edge.UuidIndexParams(
                is_tenant=fields.flag("is_tenant"),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "bool":
            params = edge.BoolIndexParams(
                on_disk=on_disk, enable_hnsw=enable_hnsw, memory=memory, nested=nested
            )
        case "text":
            params = edge.TextIndexParams(
                tokenizer=fields.choice("tokenizer", edge.TokenizerType),
                min_token_len=fields.integer("min_token_len"),
                max_token_len=fields.integer("max_token_len"),
                lowercase=fields.flag("lowercase"),
                ascii_folding=fields.flag("ascii_folding"),
                phrase_matching=fields.flag("phrase_matching"),
                stopwords=_stopwords(fields.take("stopwords"), fields.at("stopwords")),
                stemmer=_stemmer(fields.object("stemmer")),
                scoring=_scoring(fields.take("scoring"), fields.at("scoring")),
                on_disk=on_disk,
                enable_hnsw=enable_hnsw,
                memory=memory,
                nested=nested,
            )
        case "geo":
            what = "payload indexes of type geo"
            raise unsupported(what)
        case _:
            wanted = "one of keyword, integer, float, bool, datetime, uuid, text"
            raise expected(fields.at("type"), kind, wanted)
    fields.finish()
    return params


def _stopwords(value: Json, where: str) -> edge.Stopwords | None:
    if value is None:
        return None
    if isinstance(value, str):
        return as_choice(value, edge.Language, where)
    fields = Fields(value, where)
    languages = fields.texts("languages") or []
    custom = fields.texts("custom") or []
    fields.finish()
    return edge.StopwordsSet(
        languages={as_choice(name, edge.Language, fields.at("languages")) for name in languages},
        custom=set(custom),
    )


def _stemmer(fields: Fields | None) -> edge.StemmingAlgorithm | None:
    if fields is None:
        return None
    kind = fields.text("type")
    if kind == "none":
        fields.finish()
        return edge.DisabledStemmer()
    if kind != "snowball":
        raise expected(fields.at("type"), kind, "snowball or none")
    language = as_choice(fields.required("language"), edge.SnowballLanguage, fields.at("language"))
    fields.finish()
    return edge.SnowballParams(language)


def _scoring(value: Json, where: str) -> bool | edge.TextScoringParams | None:
    if value is None or isinstance(value, bool):
        return value
    fields = Fields(value, where)
    kind = fields.choice("type", edge.TextScoringType)
    fields.finish()
    return edge.TextScoringParams() if kind is None else edge.TextScoringParams(kind)
