"""How long the platform has lived, and which evidence folder is its own."""

from pathlib import Path

from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Run the SQL beside this file."""
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
