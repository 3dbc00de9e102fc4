using System.Text.Json.Nodes;

namespace AiFabric.LocalCluster.Registry;

/// <summary>One change seen by a watch.</summary>
/// <param name="Type">ADDED, MODIFIED, DELETED, BOOKMARK or ERROR.</param>
/// <param name="Object">The object after the change (for DELETED its last state); a copy that the receiver may change.</param>
/// <param name="Revision">The cluster-wide revision of the change.</param>
public sealed record ClusterEvent(string Type, JsonObject Object, long Revision)
{
    public const string Added = "ADDED";
    public const string Modified = "MODIFIED";
    public const string Deleted = "DELETED";
    public const string Bookmark = "BOOKMARK";
    public const string Error = "ERROR";
}
