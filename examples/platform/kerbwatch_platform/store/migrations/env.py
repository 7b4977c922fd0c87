"""What alembic runs: the steps, over the connection that it is given, one transaction in all."""

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
