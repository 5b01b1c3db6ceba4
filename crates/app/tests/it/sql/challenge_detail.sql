SELECT detail FROM challenge WHERE id = $1
