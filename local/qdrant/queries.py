"""Qdrant's query language to the engine's: nearest, fusion, recommend, text, order, sample."""

# the engine's stub names unions that do not exist at run time
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import qdrant_edge as edge

from local.qdrant.errors import bad_request, not_found, unsupported
from local.qdrant.fields import Fields, Json, expected
from local.qdrant.filters import read_filter
from local.qdrant.points import (
    EngineId,
    VectorShapes,
    json_id,
    one_vector,
    payload_selection,
    point_id,
    vector_selection,
)
from local.qdrant.scoring import scoring_without_vectors, search_params

DEFAULT_LIMIT = 10

LookUp: TypeAlias = "Callable[[EngineId, str], edge.NamedVector | None]"


@dataclass
class Scoring:
    """What to score by, and the points named in it, which never answer their own question."""

    query: edge.ScoringQueryType | None
    named_points: set[EngineId]


@dataclass(frozen=True)
class Reader:
    """Reads queries against one collection."""

    shapes: VectorShapes
    look_up: LookUp

    def query(self, fields: Fields) -> tuple[edge.QueryRequest, bool]:
        """Read a whole request and finish it; also say whether vectors are wanted."""
        limit = fields.integer("limit")
        limit = DEFAULT_LIMIT if limit is None else limit
        offset = fields.integer("offset")
        with_payload = payload_selection(
            fields.take("with_payload"), fields.at("with_payload"), default=False
        )
        with_vector = vector_selection(fields.take("with_vector"), fields.at("with_vector"))
        prefetches, scoring, filters, threshold, params = self._stage(fields, limit)
        request = edge.QueryRequest(
            limit=limit,
            offset=offset,
            query=scoring,
            prefetches=prefetches,
            with_vector=with_vector,
            with_payload=with_payload,
            filter=filters,
            score_threshold=threshold,
            params=params,
        )
        return request, bool(with_vector)

    def _prefetch(self, value: Json, where: str) -> edge.Prefetch:
        fields = Fields(value, where)
        limit = fields.integer("limit")
        limit = DEFAULT_LIMIT if limit is None else limit
        prefetches, scoring, filters, threshold, params = self._stage(fields, limit)
        return edge.Prefetch(
            limit=limit,
            query=scoring,
            prefetches=prefetches,
            params=params,
            filter=filters,
            score_threshold=threshold,
        )

    def _stage(
        self, fields: Fields, limit: int
    ) -> tuple[
        list[edge.Prefetch],
        edge.ScoringQueryType | None,
        edge.Filter | None,
        float | None,
        edge.SearchParams | None,
    ]:
        """Read what a request and a prefetch have in common."""
        nested = fields.take("prefetch")
        stages = nested if isinstance(nested, list) else [] if nested is None else [nested]
        prefetches = [
            self._prefetch(item, f"{fields.at('prefetch')}[{i}]") for i, item in enumerate(stages)
        ]
        using = fields.text("using") or ""
        scoring = self._scoring(fields.take("query"), fields.at("query"), using, limit)
        if prefetches and scoring.query is None:
            message = f"A query is needed to merge the prefetches, `{fields.at('query')}` is absent"
            raise bad_request(message)
        filters = read_filter(fields.take("filter"), fields.at("filter"))
        if scoring.named_points:
            others = edge.Filter(must_not=[edge.HasIdCondition(scoring.named_points)])
            filters = others if filters is None else edge.Filter(must=[filters, others])
        threshold = fields.number("score_threshold")
        params = fields.object("params")
        fields.finish()
        return (
            prefetches,
            scoring.query,
            filters,
            threshold,
            None if params is None else search_params(params),
        )

    def _scoring(self, value: Json, where: str, using: str, limit: int) -> Scoring:
        if value is None:
            return Scoring(None, set())
        if not isinstance(value, dict) or "indices" in value:
            vector, named = self._vector(value, using, where)
            return Scoring(edge.Query.Nearest(vector, using=using), named)
        fields = Fields(value, where)
        if "nearest" in fields:
            scoring = self._nearest(fields, using, limit)
        elif "recommend" in fields:
            recommend = Fields(fields.take("recommend"), fields.at("recommend"))
            scoring = self._recommend(recommend, using)
        else:
            scoring = Scoring(scoring_without_vectors(fields, using), set())
        fields.finish()
        return scoring

    def _vector(
        self, value: Json, using: str, where: str
    ) -> tuple[edge.NamedVector, set[EngineId]]:
        """Read a vector, or take it from the point whose id is given."""
        if isinstance(value, dict) and "indices" not in value:
            what = f"inference, `{where}` must be a vector or the id of a point"
            raise unsupported(what)
        if isinstance(value, list | dict):
            return one_vector(value, using, self.shapes, where), set()
        key = point_id(value, where)
        self.shapes.known(using)
        found = self.look_up(key, using)
        if found is None:
            message = f"No point with id {json_id(key)} found"
            raise not_found(message)
        return found, {key}

    def _nearest(self, fields: Fields, using: str, limit: int) -> Scoring:
        vector, named = self._vector(fields.take("nearest"), using, fields.at("nearest"))
        mmr = fields.object("mmr")
        if mmr is None:
            return Scoring(edge.Query.Nearest(vector, using=using), named)
        diversity = mmr.number("diversity")
        candidates = mmr.integer("candidates_limit")
        mmr.finish()
        closeness = 0.5 if diversity is None else 1.0 - diversity
        if not 0 <= closeness <= 1:
            raise expected(mmr.at("diversity"), diversity, "a number from 0 to 1")
        return Scoring(
            edge.Mmr(vector, closeness, limit if candidates is None else candidates, using=using),
            named,
        )

    def _recommend(self, fields: Fields, using: str) -> Scoring:
        strategy = fields.text("strategy") or "average_vector"
        named: set[EngineId] = set()
        examples: dict[str, list[edge.NamedVector]] = {}
        for side in ("positive", "negative"):
            examples[side] = []
            for i, item in enumerate(fields.items(side) or []):
                vector, point = self._vector(item, using, f"{fields.at(side)}[{i}]")
                examples[side].append(vector)
                named |= point
        fields.finish()
        positive, negative = examples["positive"], examples["negative"]
        if strategy == "average_vector":
            average = _average(positive, negative, fields.where)
            return Scoring(edge.Query.Nearest(average, using=using), named)
        if not positive and not negative:
            message = f"`{fields.where}` needs at least one positive or negative example"
            raise bad_request(message)
        asked = edge.RecommendQuery(positives=positive, negatives=negative)
        if strategy == "best_score":
            return Scoring(edge.Query.RecommendBestScore(asked, using=using), named)
        if strategy == "sum_scores":
            return Scoring(edge.Query.RecommendSumScores(asked, using=using), named)
        wanted = "one of average_vector, best_score, sum_scores"
        raise expected(fields.at("strategy"), strategy, wanted)


def _average(
    positive: list[edge.NamedVector], negative: list[edge.NamedVector], where: str
) -> list[float]:
    """Move from the mean of the negative examples past the mean of the positive ones."""
    if not positive:
        message = f"`{where}` needs at least one positive example for strategy average_vector"
        raise bad_request(message)
    centre = _mean(positive, where)
    if not negative:
        return centre
    away = _mean(negative, where)
    return [2 * p - n for p, n in zip(centre, away, strict=True)]


def _mean(examples: list[edge.NamedVector], where: str) -> list[float]:
    rows: list[list[float]] = []
    for example in examples:
        if not isinstance(example, list) or any(isinstance(item, list) for item in example):
            what = f"recommendation on sparse vectors by average_vector (`{where}`)"
            raise unsupported(what)
        rows.append([item for item in example if not isinstance(item, list)])
    return [sum(column) / len(rows) for column in zip(*rows, strict=True)]
