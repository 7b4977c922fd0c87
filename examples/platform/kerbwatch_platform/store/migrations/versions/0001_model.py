"""The data model of the contract, and what its views are read from."""

from pathlib import Path

from alembic import op

revision, down_revision = "0001", None


def upgrade() -> None:
    """Run the SQL beside this file."""
    for name in ("0001_model.sql", "0001_typed.sql"):
        op.get_bind().exec_driver_sql(Path(__file__).with_name(name).read_text(encoding="utf-8"))
