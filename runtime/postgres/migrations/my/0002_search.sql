-- Profiles are found by how their user's id begins, in any case of letters.
CREATE INDEX users_search ON users (lower(user_id) text_pattern_ops);
