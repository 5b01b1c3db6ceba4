SELECT tries FROM challenge WHERE id = $1
