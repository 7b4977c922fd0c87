"""Files of evidence, timestamps, one-time places to send to."""

from pathlib import Path

from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
