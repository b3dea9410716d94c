package localgraph

import "context"

// Connections lists the ids of the connections, for a program that holds the
// Server itself; clients use GET /external/connections.
func (s *Server) Connections(ctx context.Context) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT id FROM connections WHERE NOT deleting ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}
