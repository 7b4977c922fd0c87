"""What a city's own systems are told."""

from pathlib import Path

from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
