-- Customers are found by their names, whatever their case, by the rows of an import that
-- name them.
CREATE INDEX customer_name_fold ON {schema}.customer (tenant, name_fold NULLS FIRST, id) WHERE deleted IS NULL;
