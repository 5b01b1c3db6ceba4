UPDATE challenge SET user_id = 'USER' WHERE id = 'CHALLENGE'
