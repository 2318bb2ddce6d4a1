"""Checks of a mapping against a JSON schema, with messages that name key, value and what would be right."""

import json
import math
import re
from pathlib import Path

from triphase.core.errors import InputError


def read_checked(path, schema, key=""):
    """Read a YAML file, and check it against a schema and for names that are used twice.

    Parameters
    ----------
    path : path of a YAML file in UTF-8
    schema : as for `check_schema`
    key : str, put before the path in messages where the file cannot be read: the key that names it

    Raises
    ------
    InputError : the file, the key in it, its value and what would be right
    """
    import yaml

    where = f"{key}: {path}" if key else str(path)
    try:
        content = yaml.load(Path(path).read_bytes().decode("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except OSError as error:
        raise InputError(f"{where} cannot be read ({error.strerror or error})") from None
    except (yaml.YAMLError, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{where} is not YAML in UTF-8 ({' '.join(str(error).split())})") from None
    check_schema(content, schema, where=str(path))
    check_unique_names(content, where=str(path))
    return content


def check_schema(content, schema, where=""):
    """Check a mapping against a schema.

    Parameters
    ----------
    content : mapping as read from YAML
    schema : path of a JSON schema, or the schema as a dict
    where : str, put before the keys in messages

    Raises
    ------
    InputError : the first five mistakes in one line
    """
    import jsonschema

    if not isinstance(schema, dict):
        schema = json.loads(Path(schema).read_text(encoding="utf-8"))
    draft = jsonschema.Draft202012Validator
    # 10.0 is no integer for range(), and no limit refuses NaN.
    strict = draft.TYPE_CHECKER.redefine_many({"integer": _is_integer, "number": _is_number})
    validator = jsonschema.validators.extend(draft, {"pattern": _pattern}, type_checker=strict)(schema)
    errors = sorted(validator.iter_errors(content), key=lambda error: [str(part) for part in error.path])
    if errors:
        # One error per missing key, of which each names all.
        raise InputError("; ".join(list(dict.fromkeys(_describe(error, where) for error in errors))[:5]))


def check_unique_names(content, where=""):
    """InputError when two entries of one list of named mappings have the same name."""
    for path, names in _lists_of_named(content, where):
        twice = sorted({str(name) for name in names if names.count(name) > 1})
        if twice:
            raise InputError(f"{path}: name {', '.join(map(repr, twice))} is used more than once; names must differ")


def require_known(where, names, known, what):
    """InputError for the first of `names` that is not in `known`."""
    for name in names:
        if name not in known:
            raise InputError(f"{where}: {name!r} {what}: {', '.join(known) or 'none'}")


def _is_integer(_, value):
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(_, value):
    return _is_integer(_, value) or isinstance(value, float) and math.isfinite(value)


def _pattern(_, pattern, value, __):
    """Python's `$` also matches before a last line break, which no name may have."""
    import jsonschema

    if isinstance(value, str) and (value.endswith("\n") or not re.search(pattern, value)):
        yield jsonschema.ValidationError(f"does not match {pattern}")


def _describe(error, where):
    """One line: where, what it is, what it should be."""
    where = "/".join([where] * bool(where) + [str(part) for part in error.absolute_path])
    if error.validator == "additionalProperties":
        known = sorted(error.schema["properties"])
        unknown = sorted(set(map(str, error.instance)) - set(known))
        return f"{where or 'top level'}: unknown key {', '.join(map(repr, unknown))}; known here: {', '.join(known)}"
    if error.validator == "required":
        missing = [key for key in error.schema["required"] if key not in error.instance]
        return f"{where or 'top level'}: key {', '.join(map(repr, missing))} is missing"
    value = json.dumps(error.instance, ensure_ascii=False, default=str)
    value = value if len(value) < 80 else value[:77] + "…"
    rules = {
        "type": f"must be {_either(error.schema.get('type'))}",
        "enum": f"must be one of {error.schema.get('enum')}",
        "minItems": f"needs at least {error.schema.get('minItems')} entries",
        "maxItems": f"takes at most {error.schema.get('maxItems')} entries",
        "minLength": "must not be empty",
        "minProperties": f"needs one of {', '.join(error.schema.get('properties', {}))}",
        "maxProperties": f"takes only one of {', '.join(error.schema.get('properties', {}))}",
        "uniqueItems": "must not repeat an entry",
        "minimum": f"must be at least {error.schema.get('minimum')}",
        "maximum": f"must be at most {error.schema.get('maximum')}",
        "exclusiveMinimum": f"must be above {error.schema.get('exclusiveMinimum')}",
        "exclusiveMaximum": f"must be below {error.schema.get('exclusiveMaximum')}",
        "pattern": f"must match {error.schema.get('pattern')}; {error.schema.get('description', 'see config/README')}",
    }
    return f"{where or 'top level'}: {value} {rules.get(error.validator, error.message)}"


def _either(kinds):
    return " or ".join([kinds] if isinstance(kinds, str) else kinds or [])


def _lists_of_named(node, where=""):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _lists_of_named(value, f"{where}/{key}" if where else str(key))
    elif isinstance(node, list) and node and all(isinstance(item, dict) and "name" in item for item in node):
        yield where, [item["name"] for item in node]
        for item in node:
            yield from _lists_of_named(item, f"{where}/{item['name']}")
