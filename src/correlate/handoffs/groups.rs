//! Which rivals hang together: those that have an exchange in common, and those that have one in common with them.

/// The exchanges of an edge: into the host, and out of it.
pub(super) type Ends = [u32; 2];

/// Edges that hang together.
pub(super) struct Group {
    /// By their column, then by their row.
    pub edges: Vec<u32>,
    /// The ends of each, numbered anew from 0.
    pub ends: Vec<Ends>,
    /// The numbers that rows and columns had.
    pub sides: [Vec<u32>; 2],
}

impl Group {
    fn new(mut edges: Vec<u32>, ends: &[Ends]) -> Group {
        edges.sort_unstable_by_key(|&edge| (ends[edge as usize][1], ends[edge as usize][0]));
        let sides = [0, 1].map(|side| {
            let mut all: Vec<u32> = edges.iter().map(|&edge| ends[edge as usize][side]).collect();
            all.sort_unstable();
            all.dedup();
            all
        });
        let number = |side: usize, end: u32| sides[side].partition_point(|&before| before < end) as u32;
        let anew = |&edge: &u32| {
            let [row, col] = ends[edge as usize];
            [number(0, row), number(1, col)]
        };
        Group { ends: edges.iter().map(anew).collect(), edges, sides }
    }

    /// Whether one comes back to where one began: there are more edges than in a tree.
    pub(super) fn has_circle(&self) -> bool {
        self.edges.len() >= self.sides[0].len() + self.sides[1].len()
    }
}

/// The groups of `edges`, by their first one; `ends` are those of all edges, `counts` how many rows and columns there are.
pub(super) fn groups(
    edges: impl Iterator<Item = u32> + Clone,
    ends: &[Ends],
    counts: [usize; 2],
) -> Vec<Group> {
    let mut parents: Vec<u32> = (0..(counts[0] + counts[1]) as u32).collect();
    for edge in edges.clone() {
        let [row, col] = ends[edge as usize];
        let (row, col) = (root(&mut parents, row), root(&mut parents, counts[0] as u32 + col));
        parents[row as usize] = col;
    }
    let mut numbers = vec![None; parents.len()];
    let mut groups: Vec<Vec<u32>> = Vec::new();
    for edge in edges {
        let root = root(&mut parents, ends[edge as usize][0]);
        let number = *numbers[root as usize].get_or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[number].push(edge);
    }
    groups.into_iter().map(|edges| Group::new(edges, ends)).collect()
}

/// What an end is part of (union-find); the way there is made shorter.
fn root(parents: &mut [u32], end: u32) -> u32 {
    let mut at = end;
    while parents[at as usize] != at {
        parents[at as usize] = parents[parents[at as usize] as usize];
        at = parents[at as usize];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_hang_together_by_rows_and_columns() {
        let ends = [[7, 0], [1, 2], [7, 1], [2, 2], [8, 1], [8, 0]];
        let found = groups(0..6, &ends, [9, 3]);
        let edges: Vec<&[u32]> = found.iter().map(|group| group.edges.as_slice()).collect();
        assert_eq!(edges, [&[0, 5, 2, 4][..], &[1, 3]]);
        assert_eq!(found[0].ends, [[0, 0], [1, 0], [0, 1], [1, 1]]);
        assert_eq!(found[0].sides, [vec![7, 8], vec![0, 1]]);
        assert_eq!(found.iter().map(Group::has_circle).collect::<Vec<_>>(), [true, false]);
    }
}
