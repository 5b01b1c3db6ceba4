UPDATE membership SET role = 'viewer' WHERE row_check IN (SELECT row_check FROM membership)
