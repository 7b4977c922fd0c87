"""What alembic runs: the steps, over the connection that it is given, one transaction in all, and the views again."""

from __future__ import annotations

from alembic import context
from alembic.script import ScriptDirectory

connection = context.config.attributes["connection"]
views = context.config.attributes["views"]
newest = ScriptDirectory.from_config(context.config).get_current_head()

connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS made_views (sha256 text NOT NULL)")
made = connection.exec_driver_sql("SELECT sha256 FROM made_views").scalar()
context.configure(connection=connection)
stands = context.get_context().get_current_revision()
if (stands, made) != (newest, views.sha256):
    # A step could not change a table that a view shows: the views go first and come back last.
    connection.exec_driver_sql(views.dropping())
    context.run_migrations()
    connection.exec_driver_sql(views.text)
    connection.exec_driver_sql("DELETE FROM made_views")
    connection.exec_driver_sql(f"INSERT INTO made_views VALUES ('{views.sha256}')")
