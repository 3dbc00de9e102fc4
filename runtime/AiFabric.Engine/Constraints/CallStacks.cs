using System.Runtime.InteropServices;
using AiFabric.Engine.Constraints.Automata;

namespace AiFabric.Engine.Constraints;

/// <summary>
/// The callers of every rule that may be open, shared between alternatives: a graph-structured stack (Scott and Johnstone, GLL parsing, LDTA
/// 2009). A frame is one call of a rule; its edges say where the rule may return to. Only ever grows at its end, so that it can be cut back.
/// </summary>
internal sealed class CallStacks
{
    /// <summary>The frame of the whole: nobody called it.</summary>
    public const int Bottom = 0;

    private const int None = -1;

    private readonly List<int> firstEdges = [None];
    private readonly List<(int Next, int Return, int Caller)> edges = [];

    /// <summary>How much there is, to cut back to.</summary>
    public (int Frames, int Edges) Size => (firstEdges.Count, edges.Count);

    public int Push()
    {
        firstEdges.Add(None);
        return firstEdges.Count - 1;
    }

    /// <summary>A frame may return to a state of its caller. Adding an edge that is there does nothing.</summary>
    public void AddEdge(int frame, int returnState, int caller)
    {
        for (int edge = firstEdges[frame]; edge != None; edge = edges[edge].Next)
        {
            if (edges[edge].Return == returnState && edges[edge].Caller == caller)
                return;
        }
        edges.Add((firstEdges[frame], returnState, caller));
        firstEdges[frame] = edges.Count - 1;
    }

    /// <summary>Reads a frame's edges one by one.</summary>
    /// <param name="frame">The frame.</param>
    /// <param name="edge">Null before the first.</param>
    /// <param name="returnState">The caller's state.</param>
    /// <param name="caller">The caller's frame.</param>
    /// <returns>False after the last.</returns>
    public bool NextEdge(int frame, ref int? edge, out int returnState, out int caller)
    {
        int at = edge is { } last ? edges[last].Next : firstEdges[frame];
        edge = at;
        (returnState, caller) = at == None ? (Automaton.Dead, None) : (edges[at].Return, edges[at].Caller);
        return at != None;
    }

    public void CutTo((int Frames, int Edges) size)
    {
        CollectionsMarshal.SetCount(firstEdges, size.Frames);
        CollectionsMarshal.SetCount(edges, size.Edges);
    }
}
