DROP TABLE messages;
DROP TABLE turns;
DROP TABLE conversations;
