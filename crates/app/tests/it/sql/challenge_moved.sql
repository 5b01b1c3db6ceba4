UPDATE challenge SET detail = 'DETAIL' WHERE id = 'CHALLENGE'
