"""What else is kept comes to an end."""

from pathlib import Path

from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
