"""Random argument specs and arguments, with what Ansible's own validator says of them.

Prints one JSON object a line: spec, params, errors, validated. Usage: reference.py SEED COUNT
"""

import json
import random
import sys
from copy import deepcopy

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

TYPES = ["str", "int", "float", "bool", "list", "dict", "path", "raw"]
NAMES = ["a", "b", "c", "d", "e"]
ALIASES = ["x", "y"]
VALUES = [
    "", "abc", "a,b", " 3 ", "3", "3.0", "3.5", "1e3", "-7", "yes", "No", "on", "f", "maybe", "True", "False",
    "a=1", "a=1, b=2", "a='x y' b", '{"a": 1}', '{"a": ', "it's", "~", "/tmp/$NOT_SET_ANYWHERE/x", "é",
    0, 1, 3, -4, 1.0, 0.0, 2.5, 1e20, True, False, None, [], ["a"], [1, "b", True], [{"a": 1}], {}, {"a": "b"},
    {"a": [1, None]}, [[1]], ["3", "x"], [None],
]


def some(r, names):
    return r.sample(names, r.randint(2, 3))


def rules(r, names):
    found = {}
    if r.random() < 0.15:
        found["mutually_exclusive"] = [some(r, names)]
    if r.random() < 0.15:
        found["required_together"] = [some(r, names)]
    if r.random() < 0.1:
        found["required_one_of"] = [some(r, names)]
    if r.random() < 0.15:
        rule = [r.choice(names), r.choice(["abc", 3, True]), some(r, names)]
        if r.random() < 0.5:
            rule.append(r.random() < 0.5)
        found["required_if"] = [rule]
    if r.random() < 0.1:
        found["required_by"] = {r.choice(names): some(r, names)}
    return found


def option(r, depth):
    kind = r.choice(TYPES)
    spec = {"type": kind}
    if kind == "list" and r.random() < 0.7:
        spec["elements"] = r.choice(TYPES)
    if r.random() < 0.2:
        spec["required"] = True
    elif r.random() < 0.2:
        spec["default"] = r.choice([v for v in VALUES if v is not None])
    if kind in ("str", "int") and r.random() < 0.3:
        spec["choices"] = r.choice([["abc", "3"], ["yes", "no"], ["off", "abc"], [1, 3]])
    if r.random() < 0.1:
        spec["no_log"] = True
    nests = kind == "dict" or (kind == "list" and spec.get("elements") == "dict")
    if nests and depth < 2 and r.random() < 0.7:
        spec["options"] = options(r, depth + 1)
        spec.update(rules(r, list(NAMES)))
    return spec


def options(r, depth):
    found = {name: option(r, depth) for name in r.sample(NAMES, r.randint(1, 4))}
    if r.random() < 0.2:
        found[r.choice(list(found))]["aliases"] = [r.choice(ALIASES)]
    return found


def value(r, depth=0):
    if depth < 3 and r.random() < 0.3:
        inner = {r.choice(NAMES + ALIASES): value(r, depth + 1) for _ in range(r.randint(1, 3))}
        return r.choice([inner, [inner]])
    return deepcopy(r.choice(VALUES))


def main(seed, count):
    r = random.Random(seed)
    for _ in range(count):
        spec = {"argument_spec": options(r, 0), **rules(r, list(NAMES))}
        pool = NAMES if r.random() < 0.7 else NAMES + ALIASES
        params = {r.choice(pool): value(r) for _ in range(r.randint(0, 4))}
        case = {"spec": deepcopy(spec), "params": deepcopy(params)}
        try:
            result = ArgumentSpecValidator(**deepcopy(spec)).validate(deepcopy(params))
            case["errors"] = result.error_messages
            case["validated"] = result.validated_parameters
            case["secrets"] = sorted(map(str, result._no_log_values))
        except Exception as error:  # the reference itself fell over
            case["crash"] = repr(error)
        print(json.dumps(case))


main(int(sys.argv[1]), int(sys.argv[2]))
