# Prints every cell that openpyxl reads from a workbook, a line of JSON each:
# [sheet, row, column, kind, value]. Kinds: n number, s text, b boolean, e error,
# d date or date and time (ISO 8601), t time of day and u duration (seconds).
import datetime
import json
import sys
import warnings

import openpyxl

warnings.simplefilter("ignore")


def typed(cell):
    v = cell.value
    if cell.data_type == "e":
        return "e", str(v)
    if isinstance(v, bool):
        return "b", v
    if isinstance(v, (int, float)):
        return "n", repr(v)
    if isinstance(v, datetime.datetime):
        return "d", v.isoformat(timespec="microseconds")
    if isinstance(v, datetime.date):
        return "d", v.isoformat() + "T00:00:00.000000"
    if isinstance(v, datetime.time):
        return "t", v.hour * 3600 + v.minute * 60 + v.second + v.microsecond / 1e6
    if isinstance(v, datetime.timedelta):
        return "u", v.total_seconds()
    return "s", str(v)


book = openpyxl.load_workbook(sys.argv[1], data_only=True)
out = []
for sheet in book.worksheets:
    for (row, column), cell in sorted(sheet._cells.items()):
        if cell.value is not None:
            kind, value = typed(cell)
            out.append(json.dumps([sheet.title, row, column, kind, value]))
sys.stdout.write("\n".join(out))
