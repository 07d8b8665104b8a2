# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
from code_support import find_interpreters


def pytest_report_header():
    there, missing = find_interpreters()
    return [f"interpreters: {' '.join(name for name, _, _ in there)}",
            f"nothing is compared with: {' '.join('%d.%d' % version for version in missing) or 'no version is missing'}"]


def line_format(version):
    return 0 if version < (3, 10) else 1 if version < (3, 11) else 2


def pytest_collection_modifyitems(config, items):
    """The largest functions take the interpreters long: one of each format of line tables does."""
    newest = {line_format(version): name for name, _, version in find_interpreters()[0]}
    left_out = [item for item in items if item.name.endswith("-huge]")
                and item.name.split("[")[1][:-len("-huge]")] not in newest.values()]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
