"""The data model of the contract."""

from pathlib import Path

from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
