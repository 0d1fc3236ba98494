"""What a live object has in place of what the program asked for."""

from tools.standin.drift import observed


def test_another_spelling_of_the_same_value_is_no_drift() -> None:
    wanted, made = {"memory": "1024Mi"}, {"memory": "1Gi"}

    assert observed(wanted, made, {**made, "cpu": "1"}) == wanted


def test_a_changed_value_is_taken_from_the_cluster() -> None:
    assert observed({"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 1, "b": 9}) == {"a": 1, "b": 9}


def test_a_removed_field_is_missing() -> None:
    assert observed({"a": 1, "b": {"c": 1}}, {"a": 1, "b": {"c": 1}}, {"a": 1}) == {"a": 1}


def test_what_others_add_is_not_ours() -> None:
    wanted = {"containers": [{"name": "a", "image": "x"}]}
    live = {"containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "tty": False}]}

    assert observed(wanted, wanted, live) == wanted


def test_list_items_are_compared_by_their_name() -> None:
    wanted = {"env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    live = {"env": [{"name": "B", "value": "9"}, {"name": "A", "value": "1"}]}

    assert observed(wanted, wanted, live) == {
        "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "9"}]
    }


def test_a_plain_list_is_one_value() -> None:
    assert observed({"args": ["a"]}, {"args": ["a"]}, {"args": ["a", "b"]}) == {"args": ["a", "b"]}
