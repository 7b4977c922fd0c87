"""Orders to devices, limits of devices, quarantine."""

from pathlib import Path

from alembic import op

revision, down_revision = "0002", "0001"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
