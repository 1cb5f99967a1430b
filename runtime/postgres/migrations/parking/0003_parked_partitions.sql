-- What an owner asks of its partitions, when they come to it and every few seconds, is answered from this index alone.
CREATE INDEX parked_records_partition ON parked_records (group_name, topic, partition, lane, seq) INCLUDE (due_at, blocked_since, parked_at);
