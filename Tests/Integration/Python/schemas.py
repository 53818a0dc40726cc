"""Validates what avatarctl printed against docs/schemas. Arguments: the folder of the schemas, and a file with a line for each object:
the schema's name, a blank, the object. Prints what does not fit, and what no object was for; ends with 1 then.

The published schemas let later versions have more fields; here none may be there that they do not name."""
import json
import pathlib
import sys

import jsonschema
import referencing

folder, printed = map(pathlib.Path, sys.argv[1:])
schemas = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}


def strict(schema):
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: strict(value) for name, value in schema.items()}
    # The objects whose fields have names; a condition is no object of its own.
    if "properties" in schema and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


for schema in schemas.values():
    jsonschema.Draft202012Validator.check_schema(schema)
registry = referencing.Registry().with_resources(
    (f"{name}.json", referencing.Resource.from_contents(strict(schema))) for name, schema in schemas.items())
formats = jsonschema.Draft202012Validator.FORMAT_CHECKER
faults, used = [], set()
for line in printed.read_text().splitlines():
    name, text = line.split(" ", 1)
    used.add(name)
    validator = jsonschema.Draft202012Validator(strict(schemas[name]), registry=registry, format_checker=formats)
    faults += [f"{name}: {error.json_path}: {error.message}: {text}" for error in validator.iter_errors(json.loads(text))]
    # A schema that takes anything proves nothing.
    if name not in ("done", "error") and validator.is_valid({}):
        faults.append(f"{name}: takes an empty object")
faults += [f"{name}: nothing printed it" for name in sorted(schemas.keys() - used)]
print("\n".join(faults))
sys.exit(1 if faults else 0)
