using System.Text.Json;
using AiFabric.Cli.Cluster;
using Xunit;

namespace AiFabric.Tests.Cli;

public sealed class KindEntryTests
{
    private static readonly KindEntry Model = KindEntry.Parse("aifabric.io/v1alpha1", JsonDocument.Parse(
        """
        {"resources": [
          {"name": "coservedmodels", "singularName": "coservedmodel", "kind": "CoServedModel", "namespaced": true, "shortNames": ["csm"], "categories": ["aifabric"]},
          {"name": "coservedmodels/status", "singularName": "", "kind": "CoServedModel", "namespaced": true}
        ]}
        """).RootElement).Single();

    [Theory]
    [InlineData("csm", true)]
    [InlineData("CoServedModel", true)]
    [InlineData("coservedmodels", true)]
    [InlineData("coservedmodels.aifabric.io", true)]
    [InlineData("aifabric", true)]
    [InlineData("pods", false)]
    public void A_kind_is_found_by_all_its_names(string name, bool found) => Assert.Equal(found, Model.IsCalled(name));

    [Fact]
    public void A_path_names_the_namespace_unless_all_are_meant()
    {
        Assert.Equal("apis/aifabric.io/v1alpha1/namespaces/team/coservedmodels", Model.Path("team"));
        Assert.Equal("apis/aifabric.io/v1alpha1/coservedmodels", Model.Path(null));
    }
}
