"""What was deleted and why, and which cases are held."""

from pathlib import Path

from alembic import op

revision, down_revision = "0009", "0008"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
