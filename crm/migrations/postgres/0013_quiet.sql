ALTER TABLE {schema}.event ADD COLUMN quiet boolean;
