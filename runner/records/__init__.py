"""The frozen records that travel between stages, and their JSON form.

Order of life: a source yields `Row`s; prepare keeps or drops them (`Dropped`, counted in a
`Tally`); the template turns a row into an `Example`; a backend is asked with `Request`s and
answers with `Prediction`s; tuning leaves `Checkpoint`s and `CurvePoint`s.
"""

from runner.records.answers import Generation, NotAnswered, Prediction, Request, packed, unpacked
from runner.records.jobs import (
    Checkpoint,
    CurvePoint,
    DroppedRow,
    Progress,
    Resource,
    TuningResult,
    quiet,
)
from runner.records.json_form import (
    fields_of,
    read_record,
    read_record_list,
    read_records,
    record_file,
    record_json,
    record_line,
)
from runner.records.rows import (
    SPLITS,
    Example,
    Origin,
    Row,
    Turn,
    call_json,
    parts_text,
    plain_text,
    read_jsonl,
    write_jsonl,
)
from runner.records.scores import (
    EDITS,
    POINTS,
    SHARE,
    UNKNOWN,
    Cause,
    Scale,
    ScoredRow,
    read_rows,
    write_rows,
)
from runner.records.tally import Dropped, FaultLog, MixedSource, SplitFault, Tally

__all__ = [
    "EDITS",
    "POINTS",
    "SHARE",
    "SPLITS",
    "UNKNOWN",
    "Cause",
    "Checkpoint",
    "CurvePoint",
    "Dropped",
    "DroppedRow",
    "Example",
    "FaultLog",
    "Generation",
    "MixedSource",
    "NotAnswered",
    "Origin",
    "Prediction",
    "Progress",
    "Request",
    "Resource",
    "Row",
    "Scale",
    "ScoredRow",
    "SplitFault",
    "Tally",
    "TuningResult",
    "Turn",
    "call_json",
    "fields_of",
    "packed",
    "parts_text",
    "plain_text",
    "quiet",
    "read_jsonl",
    "read_record",
    "read_record_list",
    "read_records",
    "read_rows",
    "record_file",
    "record_json",
    "record_line",
    "unpacked",
    "write_jsonl",
    "write_rows",
]
